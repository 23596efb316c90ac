import copy
from pathlib import Path

import pytest
import torch

from model import torchscript
from model.bundle import GLOSSARY, NETWORK, load_bundle, load_glossaries, load_manifest
from model.checkpoint import CheckpointError, load_checkpoint, restore_network
from model.config import DecodingConfig, NetworkConfig, StoredIn
from model.data import pad
from model.export import ExportError, compare, export
from model.network import Seq2Seq
from model.recipe import Recipe
from model.search import BeamSearch
from tests.reversal import SUMMARIZE, TRANSLATE

CPU = torch.device("cpu")


@pytest.fixture
def network(tiny_checkpoint: Path) -> Seq2Seq:
    return restore_network(load_checkpoint(tiny_checkpoint))


def perturb(network: Seq2Seq, name: str, by: float) -> Seq2Seq:
    """Return a copy one of whose parameters is off."""
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.get_parameter(name).view(-1)[-1] += by
    return other


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_scripted_network_computes_what_the_eager_one_does(network: Seq2Seq) -> None:
    scripted = torchscript.load(torchscript.script(network), CPU)
    source, lengths = pad([[4, 9, 10, 3], [5, 3]]), torch.tensor([4, 2])
    torch.testing.assert_close(scripted.encode(source, lengths), network.encode(source, lengths))
    memory, state = network.encode(source, lengths)
    places, width = torch.tensor([4, 0, 1]), 3
    arguments = (torch.tensor([2, 7, 9]), state[[1, 0, 0]], memory, source, places, width)
    torch.testing.assert_close(scripted.decode_step(*arguments), network.decode_step(*arguments))
    target = torch.tensor([[2, 7], [2, 8]])
    torch.testing.assert_close(scripted(source, lengths, target), network(source, lengths, target))


def test_compare_accepts_a_network_beside_itself_scripted(network: Seq2Seq) -> None:
    compare(network, torchscript.load(torchscript.script(network), CPU), pieces=300)


@pytest.mark.parametrize("by", [0.1, float("nan")])
@pytest.mark.parametrize(
    "name",
    [
        "output_bias",
        "bridge.bias",
        "encoder.layers.0.backwards.lstm.weight_hh_l0",
        "decoder.layers.1.lstm.weight_hh_l0",
        "decoder.attention.score.weight",
    ],
)
def test_compare_refuses_a_network_of_which_one_weight_is_off(network: Seq2Seq, name: str, by: float) -> None:
    with pytest.raises(ExportError, match="differs from the eager one"):
        compare(network, perturb(network, name, by), pieces=300)


def test_a_checkpoint_becomes_a_bundle(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "tiny"
    manifest = export([tiny_checkpoint], folder, version="2024-05")
    recipe = load_checkpoint(tiny_checkpoint).recipe
    assert load_manifest(folder) == manifest
    assert (manifest.name, manifest.version, manifest.dtype) == ("reversal", "2024-05", "bfloat16")
    assert manifest.tasks == [TRANSLATE, SUMMARIZE]
    assert (manifest.networks, manifest.decoding, manifest.card) == ([recipe.network], recipe.decoding, recipe.card)
    assert manifest.max_source_pieces == recipe.filter.max_source_pieces
    assert manifest.parameters == sum(p.numel() for p in restore_network(load_checkpoint(tiny_checkpoint)).parameters())
    assert list(folder.parent.iterdir()) == [folder]


def test_weights_are_stored_in_bfloat16_and_served_in_float32(tiny_bundle: Path, network: Seq2Seq) -> None:
    with torchscript.without_deprecation_warnings():
        stored = torch.jit.load(tiny_bundle / NETWORK)  # type: ignore[no-untyped-call]
    assert {parameter.dtype for parameter in stored.parameters()} == {torch.bfloat16}
    served = load_bundle(tiny_bundle, CPU, "float32").search.network
    assert isinstance(served, torch.jit.ScriptModule)
    rounded = network.to(torch.bfloat16).to(torch.float32)
    torch.testing.assert_close(dict(served.named_parameters()), dict(rounded.named_parameters()), rtol=0, atol=0)


def test_matrices_stored_in_int8_are_served_as_they_were_but_for_half_a_step(
    tiny_checkpoint: Path, tmp_path: Path, network: Seq2Seq
) -> None:
    manifest = export([tiny_checkpoint], tmp_path / "small", version="1", stored_in="int8")
    assert manifest.dtype == "int8"
    served = load_bundle(tmp_path / "small", CPU, "float32").search.network
    assert isinstance(served, torch.jit.ScriptModule)
    for name, weights in served.named_parameters():
        before = network.get_parameter(name)
        if weights.dim() == 2:
            step = before.abs().amax(dim=1, keepdim=True) / 127
            assert ((weights - before).abs() <= 0.501 * step).all()
            assert len((weights[0] / step[0]).round().unique()) > 2
        else:
            assert torch.equal(weights, before)


def test_a_bundle_stored_in_int8_takes_half_as_much() -> None:
    wide = Seq2Seq(NetworkConfig(embedding_size=256, hidden_size=256), 300)
    small, large = torchscript.script_in_int8(wide), torchscript.script(wide.to(torch.bfloat16))
    assert len(small) < 0.6 * len(large)


@pytest.mark.parametrize("stored_in", ["bfloat16", "int8"])
def test_a_bundle_decodes_as_the_rounded_network_of_its_checkpoint(
    stored_in: StoredIn, tiny_checkpoint: Path, tmp_path: Path, network: Seq2Seq
) -> None:
    export([tiny_checkpoint], tmp_path / "tiny", version="1", stored_in=stored_in)
    bundle = load_bundle(tmp_path / "tiny", CPU, "float32")
    rounded = copy.deepcopy(network)
    torchscript.round_weights(rounded, stored_in)
    assert any(not torch.equal(a, b) for a, b in zip(rounded.parameters(), network.parameters(), strict=True))
    sources = [bundle.tokenizer.encode_source(text, TRANSLATE) for text in ("Birne", "Mango Apfel Kiwi", "我")]
    decoding = bundle.manifest.decoding
    found = bundle.search.search(sources, decoding)
    expected = BeamSearch(rounded, bundle.tokenizer.special_ids, CPU).search(sources, decoding)
    assert [[h.pieces for h in hypotheses] for hypotheses in found] == [[h.pieces for h in hs] for hs in expected]


def test_the_glossary_of_the_recipe_goes_into_the_bundle(tiny_checkpoint: Path, tmp_path: Path) -> None:
    terms = {TRANSLATE: {"Vertrag": "agreement", "Käse": "chèddar"}}
    recipe = load_checkpoint(tiny_checkpoint).recipe.model_copy(update={"glossary": terms})
    export([tiny_checkpoint], tmp_path / "tiny", version="1", recipe=recipe)
    assert load_bundle(tmp_path / "tiny", CPU, "float32").glossaries == terms
    assert "chèddar" in (tmp_path / "tiny" / GLOSSARY).read_text(encoding="utf-8")  # to be edited by people


def test_a_bundle_without_terms_has_no_glossary(tiny_bundle: Path) -> None:
    assert not (tiny_bundle / GLOSSARY).exists()


def test_a_glossary_stays_when_its_bundle_is_replaced_unless_the_recipe_has_one(
    tiny_checkpoint: Path, tiny_bundle: Path
) -> None:
    (tiny_bundle / GLOSSARY).write_text('{"translate:de:en": {"Vertrag": "agreement"}}')
    export([tiny_checkpoint], tiny_bundle, version="2", replace=True)
    assert load_glossaries(tiny_bundle, [TRANSLATE]) == {TRANSLATE: {"Vertrag": "agreement"}}
    recipe = load_checkpoint(tiny_checkpoint).recipe.model_copy(update={"glossary": {TRANSLATE: {"a": "b"}}})
    export([tiny_checkpoint], tiny_bundle, version="3", replace=True, recipe=recipe)
    assert load_glossaries(tiny_bundle, [TRANSLATE]) == {TRANSLATE: {"a": "b"}}


def test_a_broken_glossary_is_not_lost_by_replacing_its_bundle(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    (tiny_bundle / GLOSSARY).write_text("{")
    before = contents(tiny_bundle)
    with pytest.raises(ExportError, match=f"{GLOSSARY}: Invalid JSON.*; it would be lost"):
        export([tiny_checkpoint], tiny_bundle, version="2", replace=True)
    assert contents(tiny_bundle) == before


def test_a_folder_in_the_way_is_left_as_it_was(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    before = contents(tiny_bundle)
    with pytest.raises(ExportError, match="exists: name another folder, or say --replace"):
        export([tiny_checkpoint], tiny_bundle, version="2")
    assert contents(tiny_bundle) == before


def test_replace_puts_a_bundle_in_a_bundles_place(tiny_checkpoint: Path, tiny_bundle: Path) -> None:
    (tiny_bundle / "stray").write_bytes(b"")
    export([tiny_checkpoint], tiny_bundle, version="2", replace=True)
    assert load_bundle(tiny_bundle, CPU).manifest.version == "2"
    assert "stray" not in contents(tiny_bundle)
    assert list(tiny_bundle.parent.iterdir()) == [tiny_bundle]


def test_replace_spares_a_folder_that_is_no_bundle(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "precious").write_bytes(b"work")
    with pytest.raises(ExportError, match="is there and is not a bundle"):
        export([tiny_checkpoint], tmp_path / "home", version="1", replace=True)
    assert contents(tmp_path / "home") == {"precious": b"work"}


@pytest.mark.parametrize("replace", [False, True])
def test_an_export_whose_scripted_network_disagrees_changes_nothing(
    tiny_checkpoint: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    script = torchscript.script
    monkeypatch.setattr(torchscript, "script", lambda network: script(perturb(network, "output_bias", 1.0)))
    folder = tiny_bundle if replace else tiny_bundle.parent / "other"
    before = contents(tiny_bundle)
    with pytest.raises(ExportError, match="differs from the eager one"):
        export([tiny_checkpoint], folder, version="2", replace=replace)
    assert list(tiny_bundle.parent.iterdir()) == [tiny_bundle]
    assert contents(tiny_bundle) == before


def test_a_checkpoint_that_cannot_be_read_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"broken")
    with pytest.raises(CheckpointError):
        export([tmp_path / "broken.pt"], tmp_path / "bundle", version="1")
    assert not (tmp_path / "bundle").exists()


def test_decoding_may_change_after_training_and_the_network_may_not(
    tiny_checkpoint: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    narrower = tiny_recipe.model_copy(update={"decoding": DecodingConfig(beam_size=1)})
    assert export([tiny_checkpoint], tmp_path / "new", version="1", recipe=narrower).decoding.beam_size == 1
    larger = tiny_recipe.model_copy(update={"network": NetworkConfig(hidden_size=64)})
    with pytest.raises(ExportError, match="other data, network or batches"):
        export([tiny_checkpoint], tmp_path / "other", version="1", recipe=larger)
    assert not (tmp_path / "other").exists()
