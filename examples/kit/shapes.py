"""Models of Transformers with the shapes of known ones and random weights, softmax or entmax."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from examples.kit.tokens import PAD, START

__all__ = ["FAMILIES", "Shape", "build", "configured"]

FAMILIES = ("gpt2", "roberta", "modernbert")


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; its width is heads · head_dim, and there is no dropout of attention weights."""

    layers: int
    heads: int
    vocabulary: int
    head_dim: int = 64
    dropout: float = 0.0

    @property
    def width(self) -> int:
        """Of the residual stream."""
        return self.heads * self.head_dim


def configured(family: str, shape: Shape, context: int, **more: Any) -> Any:
    """A Transformers config.

    Parameters
    ----------
    family : str
        `gpt2`; `roberta`; `modernbert`, whose layers see 64 keys to each side but for every third one.
    shape : Shape
    context : int
        The longest sequence, in tokens.
    more
        Further fields of the config, such as `num_labels`.
    """
    import transformers

    tokens: dict[str, Any] = {"pad_token_id": PAD, "bos_token_id": START, "eos_token_id": START}
    common: dict[str, Any] = {"vocab_size": shape.vocabulary, **tokens, **more}
    encoder: dict[str, Any] = {
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
    }
    match family:
        case "gpt2":
            return transformers.GPT2Config(
                n_positions=context,
                n_embd=shape.width,
                n_layer=shape.layers,
                n_head=shape.heads,
                resid_pdrop=shape.dropout,
                embd_pdrop=shape.dropout,
                attn_pdrop=0.0,
                **common,
            )
        case "roberta":
            return transformers.RobertaConfig(
                intermediate_size=4 * shape.width,
                max_position_embeddings=context + PAD + 1,  # positions are counted from the padding token's
                type_vocab_size=1,
                hidden_dropout_prob=shape.dropout,
                attention_probs_dropout_prob=0.0,
                **encoder,
                **common,
            )
        case "modernbert":
            return transformers.ModernBertConfig(
                intermediate_size=3 * shape.width // 2,
                max_position_embeddings=context,
                cls_token_id=START,
                sep_token_id=START,
                embedding_dropout=shape.dropout,
                mlp_dropout=shape.dropout,
                **encoder,
                **common,
            )
    raise ValueError(f"There is no family {family!r}; there are {', '.join(FAMILIES)}.")


def build(auto: Any, config: Any, alpha: float | None) -> nn.Module:
    """A model with random weights.

    Parameters
    ----------
    auto : type
        Such as `transformers.AutoModelForCausalLM`.
    config : PretrainedConfig
    alpha : float, optional
        Of entmax; softmax, through SDPA, if None.
    """
    if alpha is None:
        model: nn.Module = auto.from_config(config, attn_implementation="sdpa")
        return model
    import splashgen.integrations.transformers  # noqa: F401  registers "splashgen"

    config.splashgen_alpha = alpha
    model = auto.from_config(config, attn_implementation="splashgen")
    return model
