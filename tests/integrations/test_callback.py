"""Transformers' Trainer follows a schedule, and goes on from its step after an interruption."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import batch, built
from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

from splashgen.integrations.transformers.alpha_values import alpha_of
from splashgen.integrations.transformers.modules import attention_modules
from splashgen.training import AlphaSchedule


class _Seen(TrainerCallback):
    def __init__(self) -> None:
        self.alphas: list[Any] = []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        alpha = alpha_of(next(attention_modules(model))[1])
        self.alphas.append(alpha if isinstance(alpha, float) else alpha.item())


def _trained(model: Any, folder: Path, steps: int, resume: bool = False) -> list[float]:
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=1, save_steps=3, logging_steps=1,
        report_to=[], disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    tokens = batch()["input_ids"]
    rows = [{"input_ids": row, "labels": row} for row in tokens]
    seen, schedule = _Seen(), AlphaSchedule(1.1, 1.5, steps=4, warmup=1)
    trainer = Trainer(model, arguments, train_dataset=rows, callbacks=[schedule.callback(), seen])
    trainer.train(resume_from_checkpoint=resume)
    return seen.alphas


def test_the_trainer_follows_and_resumes(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    model = built("gpt2", kind=AutoModelForCausalLM)
    torch.testing.assert_close(_trained(model, tmp_path, 3), [1.1, 1.1, 1.2])
    assert model.config.splashgen_alpha == pytest.approx(1.2)
    resumed = built("gpt2", kind=AutoModelForCausalLM)
    torch.testing.assert_close(_trained(resumed, tmp_path, 7, resume=True), [1.3, 1.4, 1.5, 1.5])
    assert alpha_of(next(attention_modules(resumed))[1]) == 1.5, "a number, whose kernels are faster"
