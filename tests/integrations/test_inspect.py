"""Sparsity against the probabilities of dense entmax, and predictions against what they come from."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import batch, built

from splashgen.inspect import attention_maps, save_maps, sparsity, will_it_help
from splashgen.inspect.speed import Measurements
from splashgen.nn import EntmaxAttention


def test_maps_of_a_softmax_model_are_entmax_of_its_own_scores() -> None:
    """The first layer's scores do not depend on what is computed from them."""
    soft, ours, inputs = built("gpt2", "eager"), built("gpt2"), batch("left")
    before = soft(**inputs)[0]
    maps, theirs = attention_maps(soft, inputs, 1.5), attention_maps(ours, inputs)
    first, second = maps
    torch.testing.assert_close(maps[first], theirs[first])
    assert not torch.allclose(maps[second], theirs[second]), "softmax ran in the first layer, not entmax"
    assert soft.config._attn_implementation == "eager" and torch.equal(soft(**inputs)[0], before)


@pytest.mark.parametrize(
    ("name", "length", "visible_tiles"), [("gpt2", 100, 6), ("qwen2", 60, 2), ("modernbert", 60, 2)]
)
def test_sparsity_counts_the_maps(name: str, length: int, visible_tiles: int) -> None:
    """The tiles are those of two sequences; 100 keys are two tiles, and one of four is above the diagonal."""
    model = built(name, **({"n_positions": 128} if name == "gpt2" else {}))
    inputs = batch("right", length)
    maps, heads = attention_maps(model, inputs), sparsity(model, inputs)
    assert len(heads) == 4 * len(maps)
    real = inputs["attention_mask"].bool()
    for head in heads:
        alive = maps[head.name][:, head.head] > 0
        assert head.support == pytest.approx(alive.sum(-1)[real].double().mean().item(), rel=1e-3)
        assert head.support <= head.visible <= head.length
        tiles = [tile.any() for rows in alive.split(64, 1) for block in rows.split(64, 2) for tile in block]
        assert head.tile_density == pytest.approx(sum(tiles).item() / visible_tiles)
    assert {head.layer for head in heads} == set(range(len(maps)))


def test_larger_alpha_is_sparser_and_dropout_is_off() -> None:
    model = built("gpt2", "sdpa", attn_pdrop=0.5).train()
    supports = [sum(head.support for head in sparsity(model, batch(), alpha)) for alpha in (1.1, 1.5, 2.0)]
    assert supports == sorted(supports, reverse=True) and supports[0] > supports[2]
    assert model.training and model.config._attn_implementation == "sdpa"


def test_layers_that_keep_softmax_are_left_out() -> None:
    model = built("modernbert", splashgen_local="softmax")
    assert {head.layer for head in sparsity(model, batch())} == {0, 2}


def test_an_unfinished_run_leaves_the_model_as_it_was() -> None:
    model, inputs = built("gpt2", "sdpa"), batch()
    before = model(**inputs)[0]
    with pytest.raises(ValueError, match="input_ids"):
        sparsity(model, {})
    assert model.config._attn_implementation == "sdpa" and torch.equal(model(**inputs)[0], before)


def test_too_long_for_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splashgen.inspect.maps._MOST", 10)
    with pytest.raises(ValueError, match="shorter text"):
        attention_maps(built("gpt2"), batch())


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    maps = attention_maps(built("gpt2"), batch(), layers=[1])
    paths = save_maps(maps, tmp_path / "maps", tokens=[str(i) for i in range(12)])
    assert [path.name for path in paths] == [f"{name}.png" for name in maps] and len(paths) == 1
    assert paths[0].read_bytes().startswith(b"\x89PNG")


def _results(folder: Path, **changes: Any) -> Path:
    """Softmax takes 10 ms; entmax 2 at density 0.1 and 12 at 0.9, at 16384 keys."""
    cell = {"seq_len": 16384, "head_dim": 8, "alpha": "1.5", "causal": True} | changes
    rows = {
        density: {
            "ours": {"status": "ok", "forward_ms": [ours / 2], "backward_ms": [ours / 2]},
            "flash2": {"status": "ok", "forward_ms": [4.0], "backward_ms": [6.0]},
            "cudnn": {"status": "failed", "reason": "no"},
        }
        for density, ours in ((0.1, 2.0), (0.9, 12.0))
    }
    data = {"schema": 1, "sessions": [{"gpu": "h100", "date": "2026"}], "entmax": {}, "first_calls": []}
    data["cells"] = {
        str(density): {"cell": cell, "tile_density": density, "runs": [{"session": 0, "peers": peers}]}
        for density, peers in rows.items()
    }
    (folder / "h100.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def test_predictions_interpolate_what_was_measured(tmp_path: Path) -> None:
    measured = Measurements("h100", _results(tmp_path))
    ratios = [measured.predict(density, 16384, 8, True, 1.5).ratio for density in (0.0, 0.1, 0.5, 0.9)]
    assert ratios == pytest.approx([5.0, 5.0, 10 / 7, 10 / 12])
    assert "n=16384" in measured.predict(0.5, 5000, 8, True, 1.5).source


@pytest.mark.parametrize(
    "asked", [(4000, 8, True, 1.5), (16384, 64, True, 1.5), (16384, 8, False, 1.5), (16384, 8, True, 1.7)]
)
def test_what_was_not_measured_is_not_guessed(tmp_path: Path, asked: tuple[Any, ...]) -> None:
    prediction = Measurements("h100", _results(tmp_path)).predict(0.5, *asked)
    assert prediction.ratio is None and "not measured on h100" in prediction.source


def test_advice_for_a_model(tmp_path: Path) -> None:
    folder = _results(tmp_path, seq_len=32)
    advice = will_it_help(built("gpt2", "sdpa"), [batch(), batch(None, 40)], gpu="h100", results=folder)
    assert [(one.layer, one.length) for one in advice.layers] == [(0, 12), (1, 12), (0, 40), (1, 40)]
    assert advice.speedup == pytest.approx(10 / 12), "every tile of so short a text is alive"
    told = str(advice)
    assert "0.83x as fast as softmax" in told and "n=32" in told and len(told.splitlines()) == 7
    elsewhere = will_it_help(built("gpt2"), batch(), gpu="b200", results=folder)
    assert elsewhere.speedup is None and "not measured on b200" in str(elsewhere)
    assert "nothing was measured" in str(
        will_it_help(built("gpt2"), batch(), gpu="h100", results=tmp_path / "no")
    )


def test_a_chip_that_nobody_knows_and_no_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gpu is 'foo', but must be auto or one of a100, .*cpu"):
        will_it_help(built("gpt2"), batch(), gpu="foo")
    with pytest.raises(ValueError, match="inputs is empty"):
        will_it_help(built("gpt2"), [])


@pytest.mark.parametrize("look", [sparsity, attention_maps, will_it_help])
@pytest.mark.parametrize("model", [torch.nn.Linear(4, 4), EntmaxAttention(4, 2)])
def test_only_models_of_transformers_are_looked_at(look: Any, model: torch.nn.Module) -> None:
    with pytest.raises(ValueError, match=f"model is a {type(model).__name__}, but must be a model of Trans"):
        look(model, torch.randn(1, 3, 4))


def test_the_measurements_that_came_with_splashgen() -> None:
    """The H100's: softmax is slower than entmax on sparse tiles, and faster on dense ones."""
    measured = Measurements("h100")
    sparse, dense = (measured.predict(density, 32768, 64, True, 1.5).ratio for density in (0.05, 0.99))
    assert sparse is not None and dense is not None and sparse > 1.0 > dense


def test_pictures_name_what_they_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="plots"):
        save_maps({}, tmp_path)
