from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from helpers.published_networks import NETWORKS, Published, normalised

from semiuhpe.cli.main import main
from semiuhpe.errors import WeightsError
from semiuhpe.geometry.euler import from_matrix
from semiuhpe.geometry.rotation import project_to_rotation
from semiuhpe.models.checkpoint import load_checkpoint
from semiuhpe.models.published.read import convention_of_name, import_network, read_reference, turn_outputs

SIZE = 64
EULER_NAMES = {"dad": "dad-3dheads", "300w-lp": "300w-lp"}


def pictures(count: int = 2) -> torch.Tensor:
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 255
    fine = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear")
    return fine.round().byte().permute(0, 2, 3, 1).contiguous()


@pytest.fixture(scope="module")
def resnet18() -> Published:
    torch.manual_seed(3)
    return Published("resnet18")


@pytest.mark.parametrize("name", list(NETWORKS))
def test_imported_network_computes_what_the_library_computes(name: str) -> None:
    torch.manual_seed(0)
    published = Published(name)
    imported = import_network(published.released(), "dad", "file")
    assert imported.naming.backbone == published.ours
    # In double precision: a deep network with random weights magnifies rounding errors ten thousand times.
    with torch.no_grad():
        theirs = published.double()(normalised(pictures())).view(-1, 3, 3)
        ours = imported.network.double()(pictures())
    assert (theirs[0] - theirs[1]).abs().max() > 1e-2  # the pictures matter, so agreement means something
    expected = from_matrix(theirs.numpy(), "dad-3dheads")
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("convention", ["dad", "300w-lp"])
def test_the_turned_belief_is_the_same_belief_about_our_rotations(convention: Any, rng: np.random.Generator) -> None:
    weight, bias = torch.from_numpy(rng.normal(size=(9, 5))), torch.from_numpy(rng.normal(size=9))
    features = torch.from_numpy(rng.normal(size=(4, 5)))
    theirs = (features @ weight.T + bias).view(-1, 3, 3).numpy()
    new_weight, new_bias = turn_outputs(weight, bias, convention)
    ours = (features @ new_weight.T + new_bias).view(-1, 3, 3).numpy()
    matrices = project_to_rotation(rng.normal(size=(50, 3, 3)))  # of the other project
    rotations = from_matrix(matrices, EULER_NAMES[convention])
    score_theirs = np.einsum("nij,mij->nm", theirs, matrices)
    score_ours = np.einsum("nij,mij->nm", ours, rotations)
    np.testing.assert_allclose(score_ours, score_theirs, atol=1e-12)
    modes = from_matrix(project_to_rotation(theirs), EULER_NAMES[convention])
    np.testing.assert_allclose(project_to_rotation(ours), modes, atol=1e-9)


def test_frontal_heads_of_both_frames_become_the_identity() -> None:
    half_turn = np.diag([1.0, -1.0, -1.0])  # a frontal head of DAD-3DHeads
    conventions: list[tuple[Literal["dad", "300w-lp"], np.ndarray]] = [("dad", half_turn), ("300w-lp", np.eye(3))]
    for convention, frontal in conventions:
        bias = torch.from_numpy(12 * frontal.ravel())
        _, turned = turn_outputs(torch.zeros(9, 2, dtype=torch.float64), bias, convention)
        np.testing.assert_allclose(turned.view(3, 3).numpy(), 12 * np.eye(3))


@pytest.mark.parametrize(
    ("prefix", "head"),
    [("", "fc."), ("module.", "module.fc."), ("net.module.encoder.", "net.module.regressor.layers.")],
)
def test_prefixes_and_names_of_the_head_do_not_matter(resnet18: Published, prefix: str, head: str) -> None:
    state = resnet18.released(prefix, head)
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    state["module.classifier.weight"], state["module.classifier.bias"] = torch.zeros(1000, 512), torch.zeros(1000)
    imported = import_network(state, "dad", "file")
    same = import_network(resnet18.released(), "dad", "file")
    assert imported.ignored == ("module.classifier.weight", "module.classifier.bias")
    with torch.no_grad():
        torch.testing.assert_close(imported.network(pictures()), same.network(pictures()))


def test_numbered_children_are_recognised(resnet18: Published) -> None:
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    state = {}
    for key, value in resnet18.released("", "head.").items():
        first, _, rest = key.partition(".")
        state[f"base.{numbers[first]}.{rest}" if first in numbers else key] = value
    imported = import_network(state, "dad", "file")
    with torch.no_grad():
        expected = import_network(resnet18.released(), "dad", "file").network(pictures())
        torch.testing.assert_close(imported.network(pictures()), expected)


def test_what_does_not_fit_is_named(resnet18: Published) -> None:
    whole = resnet18.released("", "fc.")

    def refused(match: str, **changes: torch.Tensor | None) -> None:
        state = {**whole, **{k.replace("__", "."): v for k, v in changes.items()}}
        with pytest.raises(WeightsError, match=match):
            import_network({k: v for k, v in state.items() if v is not None}, "dad", "a.pth")

    refused(r"a\.pth: looks like ResNet18.*has no layer2\.0\.conv1\.weight", layer2__0__conv1__weight=None)
    refused(r"layer2\.0\.bn1\.bias is \(7,\), not \(128,\)", layer2__0__bn1__bias=torch.zeros(7))
    refused(r"keys that it does not have: layer5\.0\.weight", layer5__0__weight=torch.zeros(4, 4))
    refused(r"without the published head: no linear layer \(9, 64\)", fc__7__weight=torch.zeros(6, 64))
    refused(r"without the published head: no batch norm \(128,\)", fc__2__running_var=None)
    refused(r"not tensors: note", note="text")  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=r"not one of ResNet50, .*first keys are a\.b, c and|first keys are a\.b, c"):
        import_network({"a.b": torch.zeros(1), "c": torch.zeros(1)}, "dad", "a.pth")


class Trap:
    """Code that would run if a file were unpickled without care."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.touch, (self.target,))


def test_code_in_a_file_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"model_state_dict": {}, "clock": Trap(mark)}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps({"model_state_dict": Trap(mark)}))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(WeightsError, match=rf"{name}: (holds more than tensors|not a checkpoint)"):
            read_reference(tmp_path / name)
    assert not mark.exists()


def test_other_files_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        read_reference(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(WeightsError, match=r"text\.pth"):
        read_reference(tmp_path / "text.pth")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no 'model_state_dict' but epoch"):
        read_reference(tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="but list"):
        read_reference(tmp_path / "list.pth")


def test_numbers_of_numpy_are_no_code(tmp_path: Path) -> None:
    clock = {"step": 7, "best": np.float64(3.5), "last": np.float32(2.0)}
    torch.save({"model_state_dict": {"a": torch.zeros(1)}, "clock": clock}, tmp_path / "a.pth")
    assert read_reference(tmp_path / "a.pth")["clock"]["best"] == 3.5


@pytest.mark.parametrize(
    ("path", "convention"),
    [
        ("DAD-COCOHead-ResNet50-best.pth", "dad"),
        ("300WLP_AFLW2000.pth", "300w-lp"),
        ("300W-LP/best.pth", "300w-lp"),
        ("300WLP_x/DAD-3DHeads.pth", "dad"),
    ],
)
def test_convention_by_name(path: str, convention: str) -> None:
    assert convention_of_name(Path(path)) == convention


@pytest.mark.parametrize("path", ["best.pth", "dad_and_300wlp.pth"])
def test_a_name_that_does_not_tell_asks_for_the_option(path: str) -> None:
    with pytest.raises(WeightsError, match="--convention dad"):
        convention_of_name(Path(path))


def test_command_keeps_student_and_teacher(
    tmp_path: Path, resnet18: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(5)
    student, teacher = resnet18.released(), Published("resnet18").released()
    path, out = tmp_path / "DAD-Test-ResNet18-best.pth", tmp_path / "out"
    content = {"clock": {"step": 12}, "model_state_dict": student, "model_state_dict_ema": teacher}
    torch.save({**content, "optimizer_state_dict": {"state": {}}}, path)
    assert main(["import-weights", str(path), str(out)]) == 0
    assert "ResNet18" in capsys.readouterr().out
    assert sorted(p.name for p in out.iterdir()) == [
        "best.json",
        "best.safetensors",
        "teacher.json",
        "teacher.safetensors",
    ]
    for name, state in (("best", student), ("teacher", teacher)):
        tensors, header = load_checkpoint(out / f"{name}.safetensors")
        torch.testing.assert_close(tensors["averaged/backbone.conv1.weight"], state["module.backbone.conv1.weight"])
        assert header["step"] == 12
        assert header["recipe"]["model"]["backbone"] == "resnet18"
        assert header["card"]["imported_from"]["trained_in_frame"] == "dad"
        assert "CC BY-NC-SA" in header["card"]["licence"]
    path.rename(tmp_path / "best.pth")
    assert main(["import-weights", str(tmp_path / "best.pth"), str(out)]) == 1
    assert "--convention" in capsys.readouterr().err
