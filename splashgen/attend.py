"""An attention call: recognised by what its arguments look like, run by a kernel or as an operator."""

import typing
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from splashgen.ahead import compile_ahead
from splashgen.autocast import autocast_of, cast
from splashgen.autograd import AttentionFunction, Call, ZeroFunction
from splashgen.batches import crowded, parts
from splashgen.checks_options import regime_of
from splashgen.checks_values import check_values
from splashgen.direct import Direct, kept, likeness, tensors_in
from splashgen.dispatch import memo
from splashgen.features import alpha_tensor, feature_arguments, is_elsewhere, precise, tau_of_nothing
from splashgen.kernel import Kernel
from splashgen.operators import attention_operator, needs_operator, tables
from splashgen.plans import Plan, check, plan_for, settle, signature
from splashgen.request import Arguments, Request
from splashgen.strides import aligned
from splashgen.support import support_size

__all__ = ["attend"]

_MOST_PLANS = 8192


def attend(arguments: Arguments, return_tau: bool, return_support: bool) -> Any:
    """What `attention` and `attention_varlen` return; their docstrings say what each argument may be."""
    if torch._C._is_any_autocast_enabled() and (kind := autocast_of(arguments[0])):
        arguments = *cast(*arguments[:3]), *arguments[3:]
        with torch.autocast(kind, enabled=False):  # not behind a function: torch.compile has to see it
            return attend(arguments, return_tau, return_support)
    out, tau = _computed(arguments)
    if not return_support:
        return (out, tau) if return_tau else out
    query, key, _, alpha, options, masks, packed = Request.of(arguments)
    causal, scale, window_size = settle(options, query.shape[-1])
    support = support_size(query, key, tau, alpha, scale, causal, window_size, *masks, packed)
    return (out, tau, support) if return_tau else (out, support)


def _computed(arguments: Arguments) -> tuple[Tensor, Tensor]:
    if needs_operator():
        return _through_operator(Request.of(arguments))
    plan, new = _planned(arguments)
    if is_elsewhere(arguments[0]):
        with torch.cuda.device(arguments[0].device):
            return _run(plan, arguments, new)
    return _run(plan, arguments, new)


def _by_parts(request: Request) -> tuple[Tensor, Tensor]:
    done = [_computed(part) for part in parts(request)]
    out, tau = (torch.cat(each) for each in zip(*done, strict=True))
    return out, tau


def _planned(arguments: Arguments) -> tuple[Plan, bool]:
    """The plan of an earlier call with arguments like these, else a new one; whether it is new."""
    name, training = None, False
    try:
        query, key, value, alpha, *_ = arguments
        training = torch.is_grad_enabled() and (
            query.requires_grad
            or key.requires_grad
            or value.requires_grad
            or (isinstance(alpha, Tensor) and alpha.requires_grad)
        )
        name = signature(arguments, training)
        plan = memo.get(name)
    except (AttributeError, TypeError):  # something is no tensor or has no hash: the checks tell
        name, plan = None, None
    new = plan is None
    if plan is None:
        plan = plan_for(Request.of(arguments), training)
        if len(memo) >= _MOST_PLANS:
            memo.clear()
        if name is not None:
            memo[name] = plan
    return plan, new


def _run(plan: Plan, arguments: Arguments, new: bool) -> tuple[Tensor, Tensor]:
    if plan.kernel is None:
        return _nothing(Request.of(arguments))
    if plan.crowded:
        return _by_parts(Request.of(arguments))
    query, key, value, alpha, _, masks, packed = arguments
    dtype = query.dtype
    if plan.widened:
        query, key, value = query.float(), key.float(), value.float()
    if plan.looks:
        check_values((query.shape[0], key.shape[0]), alpha, packed)
    number = alpha_tensor(alpha, query) if plan.generic else None
    features: dict[str, Any] = {}
    if not plan.plain:
        shape = (0, 0, 0, 0) if packed else (*query.shape[:3], key.shape[2])
        features = feature_arguments(shape, plan.window_size, *masks, packed=packed, precision=precise(query))
    given = features if number is None else {**features, "alpha": number}
    kernel, query, key, value = _settled(plan, query, key, value, given)
    if new:
        compile_ahead(plan.kernel, (query, key, value), given)
    if plan.training:
        call = Call(kernel, plan.scale, features)
        out = AttentionFunction.apply(call, number, query, key, value)
        tau = call.take_tau()
    else:
        out, (tau, *_) = kernel.forward(query, key, value, plan.scale, **given)
    return (out.to(dtype) if plan.widened else out), tau


def _settled(
    plan: Plan, query: Tensor, key: Tensor, value: Tensor, features: Mapping[str, Any]
) -> tuple[Any, Tensor, Tensor, Tensor]:
    """What computes a call, a kernel or the launches of one like it, and the tensors as that reads them."""
    if plan.directs is None:
        return plan.kernel, aligned(query), aligned(key), aligned(value)
    others = tensors_in(features)
    direct = plan.directs.get(likeness(query, key, value, *others))
    if direct is None:
        query, key, value = aligned(query), aligned(key), aligned(value)
        alike = likeness(query, key, value, *others)
        if alike is None:
            return plan.kernel, query, key, value
        direct = kept(plan.directs, alike, Direct(typing.cast(Kernel, plan.kernel)))
    return direct, query, key, value


def _nothing(request: Request) -> tuple[Tensor, Tensor]:
    query, key, value, alpha = request[:4]
    learned = (alpha,) if isinstance(alpha, Tensor) else ()
    out = ZeroFunction.apply((*query.shape[:-1], value.shape[-1]), query, key, value, *learned)
    return out, tau_of_nothing(query, request.packed is not None)


def _through_operator(request: Request) -> tuple[Tensor, Tensor]:
    check(request)
    if crowded(request):
        return _by_parts(request)
    query, key, value, alpha, options, masks, packed = request
    causal, scale, window_size = settle(options, query.shape[-1])
    tensor, number = (alpha, 0.0) if isinstance(alpha, Tensor) else (None, float(alpha))
    if tensor is not None:
        tensor = alpha_tensor(tensor, query)
    dtype = query.dtype
    if query.device.type == "cpu" and dtype in (torch.float16, torch.bfloat16):
        query, key, value = query.float(), key.float(), value.float()
    offsets = packed if packed is not None else (None, None, 0, 0)
    out, tau = attention_operator(
        query, key, value, tensor, *masks, *offsets[:2],
        number, scale, causal, *window_size, *offsets[2:], regime_of(options.sparsity).value,
        tables() if torch.compiler.is_compiling() else "",
    )  # fmt: skip
    return out.to(dtype), tau
