"""Where a tensor is taken as it lies, and where a copy is made."""

import pytest
import torch

from splashgen.strides import aligned, realigned, rows


@pytest.mark.parametrize("width", [1, 20, 24, 64])
def test_a_realigned_copy_has_the_same_values_and_strides_of_16(width: int) -> None:
    tensor = torch.randn(2, 3, 5, width + 5)[..., 2 : width + 2].transpose(1, 2)
    copy = realigned(tensor)
    assert torch.equal(copy, tensor)
    assert copy.stride(-1) == 1
    assert all(stride % 16 == 0 for stride in copy.stride()[:-1])


def test_gradients_pass_through_a_realigned_copy() -> None:
    tensor = torch.randn(2, 3, 20, requires_grad=True)
    weights = torch.randn(2, 3, 20)
    (realigned(tensor) * weights).sum().backward()
    assert torch.equal(tensor.grad, weights)


def test_rows_with_stride_1_are_not_copied() -> None:
    tensor = torch.randn(2, 5, 3, 7).transpose(1, 2)
    assert rows(tensor) is tensor
    assert rows(tensor.transpose(2, 3)).stride(-1) == 1


def test_a_cpu_tensor_may_lie_anyhow() -> None:
    tensor = torch.randn(2, 3, 5, 29)[..., :24]
    assert aligned(tensor) is tensor


@pytest.mark.gpu
def test_on_a_gpu_odd_strides_are_copied_and_even_ones_are_not() -> None:
    even = torch.randn(2, 5, 3, 64, device="cuda").transpose(1, 2)
    assert aligned(even) is even
    odd = torch.randn(2, 3, 5, 69, device="cuda")[..., :64]
    assert aligned(odd) is not odd
    assert torch.equal(aligned(odd), odd)
