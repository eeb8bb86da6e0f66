"""S4: a linear state space for every channel, applied as one long convolution.

Paper: Gu, Goel, Re 2022, Efficiently modeling long sequences with structured state spaces, ICLR, arXiv
2111.00396; its algorithm 1, diagonal plus low rank (DPLR), one SSM for each channel.
Release: the training code of SSM2Mel, whose parameter names the kernel has.
Licence: this code is ours, MIT.
Our deviations: the kernel is computed in double precision, and in another way (below), so a parameter C is
C itself at any length. Released code overwrites its C by C (I - dA^L) when it first meets the length L;
`original_c` undoes that.

A channel's state has N entries, N/2 of them and their conjugates. With A = -exp(A_real) - i A_imag,
dt = exp(inv_dt), M = diag(A) - P P* and the bilinear rule

    dA = (I - dt/2 M)^-1 (I + dt/2 M),  dB = (I - dt/2 M)^-1 dt B,  K_j = C' dA^j dB  for j = 0 .. L-1.

The kernel's generating function is a rational one of 1 - w and 1 + w, and costs O(N) at each point w: the
conjugate pairs make it real coefficients times 1 / (D D~), and Woodbury's identity takes the rank-1 part.
Its values on a circle give the kernel by one inverse FFT. On the unit circle K would be summed over j,
j + L, j + 2L, ..., which the usual way out removes with dA^L, a matrix power for every channel. Here the
circle's radius is such that what is L later counts `LATER` times as much: the sum is exact to that, and
rounding is raised by as much at the kernel's end, so both leave about eight digits of double precision's 16.

Shapes: (b, t, d) series, (d, N/2, 2) real and imaginary parts, (d, L) kernels.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own abbreviation)
from torch import Tensor, nn

LATER = 1e-8
DT_MIN, DT_MAX = 1e-3, 1e-1
B_IMAG_MOST = 2.0  # of the imaginary part of an initial B, either way


class System(NamedTuple):
    """A state space of each channel, complex128: conjugate halves of A, B, C, P (d, N/2), and dt (d, 1)."""

    A: Tensor
    B: Tensor
    C: Tensor
    P: Tensor
    dt: Tensor


class S4Kernel(nn.Module):
    """The kernel's parameters, under their usual names; they begin as HiPPO-LegS.

    The imaginary part of B begins clipped, C and D are drawn from normal distributions.

    Args:
        d_model: channels.
        d_state: N, even.
    """

    def __init__(self, d_model: int, d_state: int = 64) -> None:
        super().__init__()
        A, B, P = hippo_legs(d_state)
        B = torch.complex(B.real, B.imag.clamp(-B_IMAG_MOST, B_IMAG_MOST))
        self.A_real = nn.Parameter((-A.real).log().float().repeat(d_model, 1))
        self.A_imag = nn.Parameter((-A.imag).float().repeat(d_model, 1))
        self.B = nn.Parameter(torch.view_as_real(B).float().repeat(d_model, 1, 1))
        self.P = nn.Parameter(torch.view_as_real(P).float().repeat(d_model, 1, 1))
        self.C = nn.Parameter(torch.randn(d_model, d_state // 2, 2) * 0.5**0.5)
        self.inv_dt = nn.Parameter(torch.empty(d_model, 1).uniform_(math.log(DT_MIN), math.log(DT_MAX)))

    def system(self) -> System:
        """The state space that the parameters stand for."""
        B, C, P = (torch.view_as_complex(x.double()) for x in (self.B, self.C, self.P))
        A = torch.complex(-self.A_real.double().exp(), -self.A_imag.double())
        return System(A, B, C, P, self.inv_dt.double().exp())

    def forward(self, n_times: int) -> Tensor:
        """The kernel (d, n_times), float32."""
        A, B, C, P, dt = self.system()
        radius = LATER ** (1 / n_times)
        turns = torch.arange(n_times // 2 + 1, device=A.device, dtype=A.real.dtype) / n_times
        w = torch.polar(torch.full_like(turns, radius), -2 * math.pi * turns)  # (L/2 + 1,)
        s = dt / 2 * (1 + w)  #                                                  (d, L/2 + 1)
        # 1 / (D D~) with D = (1 - w) - s A, and D~ of the conjugate A          (d, N/2, L/2 + 1)
        square = (1 - w) ** 2
        of_real, of_size = ((1 - w) * s)[:, None], (s * s)[:, None]
        pairs = 1 / (square - 2 * A.real[..., None] * of_real + A.abs().square()[..., None] * of_size)
        # x / D + conj(x) / D~ = ((1 - w) 2 Re x - s 2 Re(x conj A)) / (D D~) for four products x
        products = torch.stack([C * B, C * P, P.conj() * B, P.conj() * P], dim=1)  # (d, 4, N/2)
        coefficients = 2 * torch.cat([products.real, (products * A.conj()[:, None]).real], dim=1)
        sums = coefficients @ torch.view_as_real(pairs).flatten(2)
        sums = torch.view_as_complex(sums.view(*sums.shape[:2], -1, 2))
        cb, cp, pb, pp = ((1 - w) * sums[:, i] - s * sums[:, i + 4] for i in range(4))
        spectrum = dt * (cb - s * cp * pb / (1 + s * pp))  #                     (d, L/2 + 1)
        kernel: Tensor = torch.fft.irfft(spectrum, n_times)  #                   (d, L)
        later = radius ** -torch.arange(n_times, device=A.device, dtype=A.real.dtype)
        scaled: Tensor = kernel * later
        return scaled.float()


class S4(nn.Module):
    """The state spaces' output: every channel with its kernel, + D x.

    In eval mode and without gradients the kernel's spectrum is computed once for each length and kept; it is
    computed again once a parameter has changed, and is never saved.
    """

    def __init__(self, d_model: int, d_state: int = 64) -> None:
        super().__init__()
        self.kernel = S4Kernel(d_model, d_state)
        self.D = nn.Parameter(torch.randn(d_model))
        self._spectra: dict[int, tuple[tuple[int, ...], Tensor]] = {}

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape; causal."""
        n_times = x.shape[1]
        if self.training or torch.is_grad_enabled():
            y: Tensor = _Convolution.apply(x, self._taps(n_times))  # type: ignore[no-untyped-call]
            return y
        return _convolve(x, self._spectrum(n_times))

    def _taps(self, n_times: int) -> Tensor:
        """The kernel with D x as a part of it, (d, t)."""
        kernel = self.kernel(n_times)
        return torch.cat([kernel[:, :1] + self.D[:, None], kernel[:, 1:]], dim=1)

    def _spectrum(self, n_times: int) -> Tensor:
        state = tuple(x for p in self.parameters() for x in (p.data_ptr(), p._version))
        kept = self._spectra.get(n_times)
        if kept is None or kept[0] != state:
            kept = self._spectra[n_times] = state, _spectrum(self._taps(n_times), n_times)
        return kept[1]

    def train(self, mode: bool = True) -> Self:
        """Training may change parameters in ways that leave no trace: forget the kernels."""
        self._spectra.clear()
        super().train(mode)
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> Self:
        self._spectra.clear()  # another device or number format
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_spectra": {}}


class S4Block(nn.Module):
    """S4 -> dropout -> GELU -> dropout -> Linear to twice the channels -> GLU."""

    def __init__(self, d_model: int, d_state: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.s4 = S4(d_model, d_state)
        self.drop_before, self.drop_after = nn.Dropout(dropout), nn.Dropout(dropout)
        self.output = nn.Linear(d_model, 2 * d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, d) -> the same shape; causal."""
        y = F.gelu(self.drop_before(self.s4(x)))
        return F.glu(self.output(self.drop_after(y)), dim=-1)


@cache
def hippo_legs(d_state: int) -> tuple[Tensor, Tensor, Tensor]:
    """HiPPO-LegS as diag(A) - P P* in a basis where that is so: A, B, P (N/2,), complex128.

    Its matrix is lower triangular, -sqrt((2n + 1)(2k + 1)) below the diagonal and -(n + 1) on it; with
    P_n = sqrt(n + 1/2), the matrix + P P' is -1/2 and a skew-symmetric one, so its eigenvectors are
    orthogonal. Conjugate pairs: the half with negative imaginary parts is kept.
    """
    n = torch.arange(d_state, dtype=torch.float64, device="cpu")
    P, B = (n + 0.5).sqrt(), (2 * n + 1).sqrt()
    lower = torch.tril(B[:, None] * B, -1)
    skew = P[:, None] * P - lower
    skew = skew - torch.diag(skew.diagonal())
    imaginary, basis = torch.linalg.eigh(-1j * skew)
    half = d_state // 2  # eigenvalues come in order
    basis = basis[:, :half]
    A = torch.complex(torch.full_like(imaginary[:half], -0.5), imaginary[:half])
    return A, basis.mH @ B.to(A.dtype), basis.mH @ P.to(A.dtype)


def original_c(kernel: S4Kernel, n_times: int) -> Tensor:
    """C of a kernel whose ``C`` holds C (I - dA^L), as released code leaves it.

    Args:
        kernel: with all its other parameters as they should be; not changed.
        n_times: L, the release's ``l_kernel``; 0 where C is C itself.

    Returns:
        (d, N/2, 2) float32.
    """
    if n_times == 0:
        return kernel.C.detach().clone()
    with torch.no_grad():
        A, _, C, P, dt = (torch.cat([x, x.conj()], dim=-1) for x in kernel.system())
        M = torch.diag_embed(A) - P[..., None] * P.conj()[:, None]
        one = torch.eye(A.shape[1], dtype=A.dtype, device=A.device)
        half_step = dt[:, :1, None] / 2 * M
        dA = torch.linalg.solve(one - half_step, one + half_step)
        power = torch.linalg.matrix_power(dA, n_times)
        C = torch.linalg.solve((one - power).mT, C[..., None])[..., 0]
        return torch.view_as_real(C[:, : C.shape[1] // 2].contiguous()).float()


def _spectrum(series: Tensor, n_times: int) -> Tensor:
    """Of a series along its last axis, long enough that a convolution does not come round: (..., t + 1)."""
    spectrum: Tensor = torch.fft.rfft(series, 2 * n_times)
    return spectrum


def _convolve(x: Tensor, spectrum: Tensor) -> Tensor:
    """Causal convolution of (b, t, d) with kernels of a spectrum (d, t + 1)."""
    n_times = x.shape[1]
    mixed = _spectrum(x.transpose(1, 2).to(spectrum.real.dtype), n_times) * spectrum
    y: Tensor = torch.fft.irfft(mixed, 2 * n_times)[..., :n_times]
    return y.transpose(1, 2)


class _Convolution(torch.autograd.Function):
    """`_convolve` with kernels (d, t); autograd's own way back has complex transforms, twice the work."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(x, taps)
        return _convolve(x, _spectrum(taps, x.shape[1]))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Correlations: of the gradient with the kernels, and with the series."""
        (grad_y,) = grad_outputs
        x, taps = ctx.saved_tensors
        n_times = x.shape[1]
        grad = _spectrum(grad_y.transpose(1, 2), n_times)
        grad_x = torch.fft.irfft(grad * _spectrum(taps, n_times).conj(), 2 * n_times)[..., :n_times]
        both = (grad * _spectrum(x.transpose(1, 2).to(taps.dtype), n_times).conj()).sum(0)
        return grad_x.transpose(1, 2), torch.fft.irfft(both, 2 * n_times)[..., :n_times]
