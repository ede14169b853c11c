"""An attention call: recognised by what its arguments look like, run by a kernel or as an operator."""

from typing import Any, cast

import torch
from torch import Tensor

from splashgen.ahead import compile_ahead
from splashgen.autograd import AttentionFunction, Call, ZeroFunction
from splashgen.batches import crowded, parts
from splashgen.checks_options import regime_of
from splashgen.dispatch import memo
from splashgen.features import alpha_tensor, feature_arguments, on_device_of, tau_of_nothing
from splashgen.operators import attention_operator, needs_operator, tables
from splashgen.plans import Plan, Request, check, plan_for, settle, signature
from splashgen.strides import aligned
from splashgen.support import support_size

__all__ = ["attend"]

_MOST_PLANS = 8192


def attend(request: Request, return_tau: bool, return_support: bool) -> Any:
    """What `attention` and `attention_varlen` return; their docstrings say what each argument may be."""
    if torch._C._is_any_autocast_enabled():
        query, key, value = _autocast(*request[:3])
        request = request._replace(query=query, key=key, value=value)
    out, tau = _computed(request)
    if not return_support:
        return (out, tau) if return_tau else out
    query, key, _, alpha, options, masks, packed = request
    causal, scale, window_size = settle(options, query.shape[-1])
    support = support_size(query, key, tau, alpha, scale, causal, window_size, *masks, packed)
    return (out, tau, support) if return_tau else (out, support)


def _computed(request: Request) -> tuple[Tensor, Tensor]:
    if needs_operator():
        return _through_operator(request)
    plan, new = _planned(request)
    return _run(plan, request, new)


def _by_parts(request: Request) -> tuple[Tensor, Tensor]:
    done = [_computed(part) for part in parts(request)]
    out, tau = (torch.cat(each) for each in zip(*done, strict=True))
    return out, tau


def _planned(request: Request) -> tuple[Plan, bool]:
    """The plan of an earlier call with arguments like these, else a new one; whether it is new."""
    name, training = None, False
    try:
        query, key, value, alpha, *_ = request
        training = torch.is_grad_enabled() and (
            query.requires_grad
            or key.requires_grad
            or value.requires_grad
            or (isinstance(alpha, Tensor) and alpha.requires_grad)
        )
        name = signature(request, training)
        plan = memo.get(name)
    except (AttributeError, TypeError):  # something is no tensor or has no hash: the checks tell
        name, plan = None, None
    new = plan is None
    if plan is None:
        plan = plan_for(request, training)
        if len(memo) >= _MOST_PLANS:
            memo.clear()
        if name is not None:
            memo[name] = plan
    return plan, new


def _autocast(*tensors: Any) -> Any:
    """The tensors in autocast's dtype; what cannot be cast is left to the checks."""
    kind = tensors[0].device.type if isinstance(tensors[0], Tensor) else "meta"
    if kind not in ("cpu", "cuda") or not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    castable = [
        isinstance(one, Tensor) and one.is_floating_point() and one.dtype != torch.float64 for one in tensors
    ]
    return tuple(one.to(dtype) if cast else one for one, cast in zip(tensors, castable, strict=True))


def _run(plan: Plan, request: Request, new: bool) -> tuple[Tensor, Tensor]:
    query, key, value, alpha, _, masks, packed = request
    if plan.kernel is None:
        return _nothing(request)
    if plan.crowded:
        return _by_parts(request)
    dtype = query.dtype
    if plan.widened:
        query, key, value = query.float(), key.float(), value.float()
    number = alpha_tensor(alpha, query) if plan.generic else None
    features: dict[str, Any] = {}
    if not plan.plain:
        shape = (0, 0, 0, 0) if packed else (*query.shape[:3], key.shape[2])
        features = feature_arguments(cast(Any, shape), plan.window_size, *masks, packed=packed)
    query, key, value = aligned(query), aligned(key), aligned(value)
    with on_device_of(query):
        if new:
            given = features if number is None else {**features, "alpha": number}
            compile_ahead(plan.kernel, (query, key, value), given)
        if plan.training:
            call = Call(plan.kernel, plan.scale, features)
            out = cast(Tensor, AttentionFunction.apply(call, number, query, key, value))
            tau = cast(Tensor, call.tau)
        else:
            if number is not None:
                features["alpha"] = number
            out, (tau, *_) = plan.kernel.forward(query, key, value, plan.scale, **features)
    return (out.to(dtype) if plan.widened else out), tau


def _nothing(request: Request) -> tuple[Tensor, Tensor]:
    query, key, value = request[:3]
    out = ZeroFunction.apply((*query.shape[:-1], value.shape[-1]), query, key, value)
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
