"""Settings read from the environment, or the one line that says which of them is wrong."""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from service.errors import StartError

Kind = TypeVar("Kind", bound=BaseSettings)


def split_list(value: object) -> object:
    """A list, as an environment variable holds it: comma separated, empty for none.

    Raises:
        ValueError: an entry is empty, as in a template whose variables were not filled in.
    """
    if not isinstance(value, str):
        return value
    parts = tuple(part.strip() for part in value.split(",")) if value.strip() else ()
    if not all(parts):
        raise ValueError("an entry of the list is empty")
    return parts


def read_environment(kind: type[Kind], **given: Any) -> Kind:
    """The settings of the environment, but for those that are given and not None.

    Raises:
        StartError: one of them is wrong.
    """
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        prefix = kind.model_config.get("env_prefix", "")
        # a rule about several settings together names them itself
        what = f"the setting {prefix}{name} is wrong: " if name else ""
        raise StartError(f"{what}{first['msg']}") from None
