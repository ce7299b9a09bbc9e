"""The program that decompresses one picture with GDCM; `jpeg_lossless.py` runs it.

python gdcm_program.py TRANSFER_SYNTAX COLUMNS ROWS BITS SECONDS < codestream > samples

SECONDS of processor time are the most it gets: on a busy machine it waits without being blamed, and
it ends by itself where the service that started it was killed.
"""

import resource
import sys

import gdcm


def main(syntax: str, columns: int, rows: int, bits: int, seconds: int) -> None:
    """Samples of 8 or 16 bits, little endian, row by row."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(sys.stdin.buffer.read())
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    pixel_data = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixel_data.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(pixel_data)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    image.SetPixelFormat(gdcm.PixelFormat(1, 8 if bits <= 8 else 16, bits, bits - 1, 0))
    # the binding takes the samples for text
    sys.stdout.buffer.write(image.GetBuffer().encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    main(sys.argv[1], *(int(number) for number in sys.argv[2:]))
