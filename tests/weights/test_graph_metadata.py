from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
from helpers.tiny_onnx import write_pose_weights
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from semiuhpe.errors import WeightsError
from semiuhpe.weights.graph_metadata import read_metadata, with_metadata

TEXTS = st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5)


@given(TEXTS, TEXTS)
def test_against_the_package_onnx(before: dict[str, str], added: dict[str, str]) -> None:
    graph = helper.make_graph([], "empty", [], [])
    model = helper.make_model(graph, producer_name="p", doc_string="d")
    helper.set_model_props(model, before)
    content = with_metadata(model.SerializeToString(), added)
    parsed = onnx.load_model_from_string(content)
    assert {entry.key: entry.value for entry in parsed.metadata_props} == {**before, **added}
    assert read_metadata(content) == {**before, **added}
    del parsed.metadata_props[:]
    del model.metadata_props[:]
    assert parsed == model


def test_onnxruntime_reads_it(tmp_path: Path) -> None:
    content = write_pose_weights(tmp_path).read_bytes()
    changed = with_metadata(with_metadata(content, {"a": "1", "b": "2"}), {"a": "3"})
    session = onnxruntime.InferenceSession(changed, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"a": "3", "b": "2"}
    assert with_metadata(content, {}) == content


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_damaged_files(tmp_path: Path, cut: int) -> None:
    content = write_pose_weights(tmp_path).read_bytes()
    with pytest.raises(WeightsError, match="not an ONNX file"):
        with_metadata(content[:-cut], {"a": "b"})
    with pytest.raises(WeightsError, match="not an ONNX file"):
        read_metadata(b"\xff" * 40)
