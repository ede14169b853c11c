"""Which kernels an α gets, as a number in a call and as a text on the command line."""

import pytest
from typer.testing import CliRunner

import splashgen
from splashgen.alpha import AlphaClass
from splashgen.cli import app


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4/3", AlphaClass.FOUR_THIRDS),
        ("8/6", AlphaClass.FOUR_THIRDS),
        ("3/2", AlphaClass.THREE_HALVES),
        ("6/5", AlphaClass.SIX_FIFTHS),
        ("2", AlphaClass.TWO),
        ("1.50", AlphaClass.THREE_HALVES),
        ("generic", AlphaClass.GENERIC),
        ("17/10", AlphaClass.GENERIC),
    ],
)
def test_a_text_names_a_class(text: str, expected: AlphaClass) -> None:
    assert AlphaClass.named(text) is expected


@pytest.mark.parametrize("member", AlphaClass)
def test_every_class_is_named_as_it_is_printed(member: AlphaClass) -> None:
    assert AlphaClass.named(member.value) is member


@pytest.mark.parametrize(
    "text", ["1.3333333", "1.333333373069763", "1.3333333333", "1.33333333333333333", "1.2000000477"]
)
def test_a_decimal_gets_the_kernels_of_the_same_float(text: str) -> None:
    assert AlphaClass.named(text) is AlphaClass.of(float(text))


def test_a_fraction_is_the_division() -> None:
    assert AlphaClass.named("4/3") is AlphaClass.of(4 / 3) is AlphaClass.FOUR_THIRDS


@pytest.mark.parametrize("text", ["much", "4/0", "nan", "inf", "", "4/", "1e999"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^--alpha is "):
        AlphaClass.named(text, "--alpha")


@pytest.mark.parametrize("text", ["1", "5/2", "1/2", "-4/3"])
def test_numbers_outside_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^--alpha is "):
        AlphaClass.named(text, "--alpha")


def test_the_commands_take_what_configs_print() -> None:
    for command in ("explain", "render", "warmup"):
        result = CliRunner().invoke(app, [command, "--gpu", "cpu", "--alpha", "4/3", "--seq-len", "128"])
        assert result.exit_code == 0, result.output
    assert splashgen.warmup(alpha="4/3", gpu="cpu")[0].problem.alpha is AlphaClass.FOUR_THIRDS
