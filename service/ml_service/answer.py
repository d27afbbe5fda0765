"""From a request's body to its answer: what the API and the worker have in common."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ml_service.model import PIXEL_MAX, SIDE, Model

Pixel = Annotated[float, Field(ge=0, le=PIXEL_MAX, allow_inf_nan=False, strict=True)]
Row = Annotated[list[Pixel], Field(min_length=SIDE, max_length=SIDE)]
Image = Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE)]

_SHOWN_PROBLEMS = 20


class PredictRequest(BaseModel):
    """One digit (`image`) or several (`images`), never both."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": ["image"]}, {"required": ["images"]}]},
    )

    # The defaults stand for "not given"; null itself is refused.
    image: Image = None  # type: ignore[assignment]
    images: Annotated[list[Image], Field(min_length=1)] = None  # type: ignore[assignment]

    @model_validator(mode="after")
    def _exactly_one(self) -> PredictRequest:
        if len(self.model_fields_set) != 1:
            raise ValueError("give either image or images")
        return self


class ModelInfo(BaseModel):
    """Which model answered."""

    name: str
    version: str


class Prediction(BaseModel):
    """What a digit is, and how sure the model is of each class from 0 to 9."""

    digit: Annotated[int, Field(ge=0, le=9)]
    probabilities: Annotated[list[float], Field(min_length=10, max_length=10)]


class SingleAnswer(Prediction):
    """The answer to `image`."""

    model: ModelInfo


class BatchAnswer(BaseModel):
    """The answer to `images`, in their order."""

    predictions: list[Prediction]
    model: ModelInfo


class Problem(BaseModel):
    """One thing that is wrong with a body: where, what, and a name for the kind of mistake."""

    loc: list[str | int]
    msg: str
    type: str


class InvalidBodyError(Exception):
    """The body is not JSON, or not what `PredictRequest` says.

    Attributes:
        problems: up to 20 of them; they never repeat what was sent.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.loc)) or 'body'}: {p.msg}" for p in problems[:3]))
        self.problems = problems


def answer(model: Model, body: bytes, *, max_batch: int) -> dict[str, Any]:
    """Read a body, ask the model, and give the answer as JSON values.

    Args:
        model: who is asked.
        body: JSON text, as `PredictRequest` says.
        max_batch: more images than this are refused.

    Raises:
        InvalidBodyError: the body cannot be answered.
    """
    try:
        request = PredictRequest.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)[:_SHOWN_PROBLEMS]
        raise InvalidBodyError([Problem(loc=list(e["loc"]), msg=e["msg"], type=e["type"]) for e in found]) from None
    single = "image" in request.model_fields_set
    images = [request.image] if single else request.images
    if len(images) > max_batch:
        message = f"{len(images)} images are more than the {max_batch} that one request may carry"
        raise InvalidBodyError([Problem(loc=["images"], msg=message, type="too_long")])
    table = model.probabilities(np.asarray(images, np.float32).reshape(len(images), SIDE * SIDE))
    # Six decimals: more is float32 noise, and would make the answer's length depend on it.
    rounded = np.round(table.astype(np.float64), 6).tolist()
    predictions = [
        {"digit": int(digit), "probabilities": row} for digit, row in zip(table.argmax(axis=1), rounded, strict=True)
    ]
    about = {"model": {"name": model.name, "version": model.version}}
    return predictions[0] | about if single else {"predictions": predictions} | about
