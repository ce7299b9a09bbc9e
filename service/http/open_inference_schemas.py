"""The JSON of the Open Inference Protocol, version 2, for reading it and for the OpenAPI document.

https://github.com/kserve/open-inference-protocol
"""

from typing import Any

from pydantic import BaseModel, Field, model_validator


class _Nullable(BaseModel):
    """A null is as if the key was absent: MLServer's client writes one for all it does not use."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if item is not None}


class Parameters(_Nullable):
    """Parameters of a request, of its input or of an output; others are ignored."""

    binary_data_size: int | None = Field(
        default=None, ge=0, description="Of an input: how many bytes after the JSON are its data."
    )
    binary_data: bool | None = Field(
        default=None, description="Of an output: whether its data follow the JSON as bytes."
    )
    binary_data_output: bool = Field(
        default=False, description="Of the request: the same for all its outputs."
    )
    classification: int | None = Field(default=None, description="Refused: it is not offered.")
    shared_memory_region: str | None = Field(
        default=None, description="Refused: it is not offered."
    )
    operating_point: str = Field(
        default="balanced", description="Of the request: what decides on an encoded image."
    )
    prevalence: float | None = Field(
        default=None, description="Of the request: also answer for this share of pneumonia."
    )


class RequestInput(_Nullable):
    """The one input: tensors, or an encoded image."""

    name: str = Field(description="`image` or `bytes`.", examples=["bytes"])
    shape: list[int] = Field(
        description="`[N, height, width, 1]` as the model's metadata say, or `[1]`.",
        examples=[[1]],
    )
    datatype: str = Field(description="`UINT8` or `BYTES`.", examples=["BYTES"])
    parameters: Parameters = Parameters()
    data: list[Any] | None = Field(
        default=None,
        description="Grey values from 0 to 255, or the file in base64; null where it is binary.",
    )


class RequestOutput(_Nullable):
    """An output that is asked for."""

    name: str = Field(examples=["decision"])
    parameters: Parameters = Parameters()


class InferenceRequest(_Nullable):
    """The JSON of an inference request."""

    id: str | None = Field(default=None, description="Repeated in the answer.")
    parameters: Parameters = Parameters()
    inputs: list[RequestInput] = Field(min_length=1, max_length=1)
    outputs: list[RequestOutput] = Field(
        default=[], max_length=16, description="All that there are, where none is named."
    )


class ServerMetadata(BaseModel):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(BaseModel):
    """Whether the process answers at all."""

    live: bool = True


class ServerReady(BaseModel):
    """Whether requests are taken."""

    ready: bool = True


class ModelReady(BaseModel):
    """Whether requests for this model are taken."""

    name: str
    ready: bool = True


class TensorMetadata(BaseModel):
    """An input or output; a size of -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """The model's inputs, of which one is sent, and its outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ResponseParameters(BaseModel):
    """Where the data of an output are."""

    binary_data_size: int = Field(description="How many bytes after the JSON are its data.")


class ResponseOutput(BaseModel):
    """An output: its data, or where they are."""

    name: str
    shape: list[int]
    datatype: str
    parameters: ResponseParameters | None = None
    data: list[Any] | None = Field(default=None, description="In the order of rows (C).")


class InferenceResponse(BaseModel):
    """The JSON of an inference response."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseOutput]


class InferenceError(BaseModel):
    """An error, as the protocol has it."""

    error: str = Field(description="What happened, and what to do.")
