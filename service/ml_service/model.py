"""The ONNX model in memory."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SIDE = 8
PIXEL_MAX = 16


class ModelError(Exception):
    """The model's file is missing, or is not a model that answers as this service needs."""


@dataclass(frozen=True)
class Model:
    """A classifier of 8x8 digits; safe to use from several threads at once.

    Attributes:
        name: the name that training gave it.
        version: the first 12 hex digits of the SHA-256 of its file: what ran is always what is reported.
    """

    name: str
    version: str
    session: InferenceSession

    @classmethod
    def load(cls, path: Path) -> Model:
        """Read a model and let it answer once, so that the first request is not the slow one.

        Raises:
            ModelError: see the class.
        """
        # onnxruntime reports its use to its makers otherwise, from a pod as well; read once, when it is imported.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Parallelism is over requests; a pool in each session would fight for the pod's CPU share.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            content = path.read_bytes()
            session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
            name = session.get_modelmeta().custom_metadata_map.get("name", path.stem)
            model = cls(name, hashlib.sha256(content).hexdigest()[:12], session)
            shape = model.probabilities(np.zeros((1, SIDE * SIDE), np.float32)).shape
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from error
        except Exception as error:  # onnxruntime's errors share no base but this
            raise ModelError(f"{path}: {error}") from error
        if shape != (1, 10):
            raise ModelError(f"{path}: answers with shape {shape}, wanted (1, 10)")
        return model

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Give the probability of each digit for each image.

        Args:
            images: float32, shape (n, 64), pixels from 0 to 16, row by row.

        Returns:
            float32, shape (n, 10); each row sums to 1.
        """
        return np.asarray(self.session.run(["probabilities"], {"X": images})[0])
