"""Trains the digits classifier on scikit-learn's bundled data and writes it as ONNX; the same bytes every time.

usage: train.py OUTPUT.onnx
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

# Below this, something is wrong with the data or the libraries: the image must not be built.
LOWEST_ACCURACY = 0.95
# The oldest operator set with all that the model needs: every onnxruntime of the last years loads it.
OPSET = {"": 17, "ai.onnx.ml": 3}


def train(output: Path) -> float:
    """Train, convert, write.

    Returns:
        The share of held-out digits that the model names correctly.

    Raises:
        SystemExit: the model is worse than `LOWEST_ACCURACY`.
    """
    digits = load_digits()
    images = digits.data.astype(np.float32)
    seen, held_out, labels, expected = train_test_split(
        images, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    classifier = make_pipeline(MinMaxScaler(), LogisticRegression(C=0.5, max_iter=1000))
    classifier.fit(seen, labels)
    accuracy = float(classifier.score(held_out, expected))
    if accuracy < LOWEST_ACCURACY:
        raise SystemExit(f"train.py: accuracy {accuracy:.4f} on held-out digits is below {LOWEST_ACCURACY}")
    model = to_onnx(
        classifier,
        images[:1],
        name="digits",
        options={id(classifier): {"zipmap": False}},
        target_opset=OPSET,
    )
    onnx.helper.set_model_props(model, {"name": "digits", "accuracy": f"{accuracy:.4f}"})
    # Their order follows Python's hash seed otherwise.
    model.opset_import.sort(key=lambda opset: opset.domain)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(model.SerializeToString(deterministic=True))
    return accuracy


if __name__ == "__main__":
    sys.stdout.write(f"digits: accuracy {train(Path(sys.argv[1])):.4f} on held-out digits\n")
