"""Progress on a terminal; nothing in a log file, where a bar would leave control codes."""

import sys

import keras


def progress_bar(total: int, unit: str, quiet: bool = False) -> keras.utils.Progbar:
    """A bar of ``total`` units, which shows itself only where standard output is a terminal."""
    shown = sys.stdout.isatty() and not quiet
    return keras.utils.Progbar(total, unit_name=unit, verbose=int(shown))


class EpochBar(keras.callbacks.Callback):  # type: ignore[misc]
    """The steps of an epoch as a bar."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        """Start a new bar."""
        self._bar = progress_bar(self.params["steps"], "step")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """One step further."""
        self._bar.update(batch + 1, list((logs or {}).items()))
