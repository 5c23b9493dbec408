"""Log-mel features of speech, on any torch device, and which frames of a padded batch count."""

from __future__ import annotations

import warnings

import torch
from lhotse.features.kaldi.layers import Wav2FFT, get_mel_banks
from torch import Tensor, nn

from memrix.asr.audio import SAMPLE_RATE
from memrix.errors import ConversionError

MEL_BINS = 80
_WINDOW_SECONDS = 0.025
_SHIFT_SECONDS = 0.01
_WINDOW = round(_WINDOW_SECONDS * SAMPLE_RATE)
_SHIFT = round(_SHIFT_SECONDS * SAMPLE_RATE)
_PRE_EMPHASIS = 0.97
_LOWEST_HERTZ, _HIGHEST_HERTZ = 60.0, 7600.0
_FLOOR = 1e-10


class LogMel(nn.Module):
    """80 log-mel energies every 10 ms of peak-normalized audio, as in arXiv 2505.24721.

    Windows of 25 ms, 60 to 7600 Hz, pre-emphasis of 0.97, a floor of 1e-10; frames are entirely inside the audio (not
    centerd). Holds buffers only: nothing to be trained or put on a chip.
    """

    _banks: Tensor

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            # About lhotse's own manifests of features.
            warnings.filterwarnings("ignore", message="Setting snip_edges")
            self._spectrum = Wav2FFT(
                SAMPLE_RATE,
                frame_length=_WINDOW_SECONDS,
                frame_shift=_SHIFT_SECONDS,
                preemph_coeff=_PRE_EMPHASIS,
                snip_edges=True,
                use_energy=False,
            )
        # The window is a parameter there; here, it must stay out of optimizers and checkpoints.
        window = self._spectrum.wav2win
        values = window._parameters.pop("_window")
        window.register_buffer("_window", None if values is None else values.detach(), persistent=False)
        banks, _ = get_mel_banks(
            num_bins=MEL_BINS,
            window_length_padded=self._spectrum.fft_length,
            sample_freq=SAMPLE_RATE,
            low_freq=_LOWEST_HERTZ,
            high_freq=_HIGHEST_HERTZ,
        )
        banks = nn.functional.pad(banks, (0, 1))  # the bin at half the sampling rate is above the highest filter
        self.register_buffer("_banks", banks.T.contiguous(), persistent=False)  # [spectrum, mel]

    @torch.no_grad()
    def forward(self, audio: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[batch, frames, 80]`` and how many frames are valid, of audio at 16 kHz.

        Args:
            audio: ``[batch, samples]``, padded at the end with anything finite.
            samples: valid samples of each, ``[batch]``.
        """
        valid = torch.arange(audio.shape[1], device=audio.device) < samples.unsqueeze(1)
        audio = audio.masked_fill(~valid, 0.0)
        if audio.shape[1] < _WINDOW:
            audio = nn.functional.pad(audio, (0, _WINDOW - audio.shape[1]))
        peaks = audio.abs().amax(dim=1, keepdim=True)
        spectrum: Tensor = self._spectrum(audio / peaks.clamp(min=torch.finfo(audio.dtype).tiny))
        power = spectrum.real.square() + spectrum.imag.square()
        features = (power @ self._banks).clamp(min=_FLOOR).log()
        return features, frames_of(samples)


def frames_of(samples: Tensor) -> Tensor:
    """Frames that are entirely inside a number of samples at 16 kHz."""
    return ((samples - _WINDOW) // _SHIFT + 1).clamp(min=0)


def valid_frames(lengths: Tensor, frames: int) -> Tensor:
    """True where a frame or target belongs to its utterance; ``[batch, frames]``, for ``lengths`` of ``[batch]``."""
    return torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)


def finite(values: Tensor, what: str) -> Tensor:
    """The values, if all are numbers.

    Raises:
        ConversionError: they are not.
    """
    if not torch.isfinite(values).all():
        raise ConversionError(
            f"the {what} holds values that are not finite numbers; check the weights and the chip's scales"
        )
    return values
