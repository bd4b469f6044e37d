"""The ways from noise to a picture: a row each. What draws with them knows none of them by name.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py, get_my_scheduler;
AUTOMATIC1111's names as the documentation of diffusers 0.42.1 maps them to its schedulers
(api/schedulers/overview).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from train import spellings

# The process's own way, without randomness; see `train.samples.sampler`.
DDIM = "ddim"


@dataclass(frozen=True)
class Sampler:
    """A way from noise to a picture: a scheduler of diffusers.

    Attributes:
        name: As it is typed: kohya's name of it, else AUTOMATIC1111's with `_` for spaces.
        kind: Its class in diffusers.
        label: AUTOMATIC1111's name of it, which is a spelling, too.
        more: What the class is told beside `Process.scheduler_facts`.
        known_as: How else it is spelt, in small letters and with `_`.
        package: What has to be installed for it; empty where nothing has to.
        most_steps: As many as it can draw in: some fall out of their tables close to 1000.
    """

    name: str
    kind: str
    label: str
    more: Mapping[str, Any] = field(default_factory=dict)
    known_as: tuple[str, ...] = ()
    package: str = ""
    most_steps: int = 500

    def spellings(self) -> tuple[str, ...]:
        """Return every word for it."""
        return (self.name, spellings.plain(self.label), *self.known_as)


_KARRAS = {"use_karras_sigmas": True}
_SDE = {"algorithm_type": "sde-dpmsolver++"}
_MULTISTEP = "DPMSolverMultistepScheduler"
_SINGLESTEP = "DPMSolverSinglestepScheduler"


def _row(
    name: str, kind: str, label: str, known_as: str = "", more: Mapping[str, Any] | None = None,
    **own: Any,
) -> Sampler:  # fmt: skip
    return Sampler(name, kind, label, more or {}, tuple(known_as.split()), **own)


_OF_DIFFUSION = (
    _row("ddpm", "DDPMScheduler", "DDPM", more={"clip_sample": False}),
    _row("pndm", "PNDMScheduler", "PLMS", more={"skip_prk_steps": True}),
    _row("lms", "LMSDiscreteScheduler", "LMS", "k_lms", package="scipy"),
    _row("lms_karras", "LMSDiscreteScheduler", "LMS Karras", "k_lms_ka", _KARRAS, package="scipy"),
    _row("euler", "EulerDiscreteScheduler", "Euler", "k_euler"),
    _row("euler_karras", "EulerDiscreteScheduler", "Euler Karras", more=_KARRAS),
    _row("euler_a", "EulerAncestralDiscreteScheduler", "Euler a",
         "k_euler_a k_euler_ancestral euler_ancestral"),
    _row("heun", "HeunDiscreteScheduler", "Heun", "k_heun"),
    _row("dpm_2", "KDPM2DiscreteScheduler", "DPM2", "k_dpm_2"),
    _row("dpm_2_karras", "KDPM2DiscreteScheduler", "DPM2 Karras", "k_dpm_2_ka",
         _KARRAS),
    _row("dpm_2_a", "KDPM2AncestralDiscreteScheduler", "DPM2 a",
         "k_dpm_2_a dpm_2_ancestral"),
    _row("dpm_2_a_karras", "KDPM2AncestralDiscreteScheduler", "DPM2 a Karras",
         "k_dpm_2_a_ka", _KARRAS),
    _row("dpmsolver", _MULTISTEP, "DPM 2M",
         more={"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    _row("dpmsolver++", _MULTISTEP, "DPM++ 2M", "dpmpp_2m k_dpmpp_2m"),
    _row("dpm++_2m_karras", _MULTISTEP, "DPM++ 2M Karras",
         "dpmpp_2m_karras k_dpmpp_2m_ka dpmsolver++_karras", _KARRAS),
    _row("dpm++_2m_sde", _MULTISTEP, "DPM++ 2M SDE", "dpmpp_2m_sde k_dpmpp_2m_sde", _SDE),
    _row("dpm++_2m_sde_karras", _MULTISTEP, "DPM++ 2M SDE Karras",
         "dpmpp_2m_sde_karras k_dpmpp_2m_sde_ka", _SDE | _KARRAS),
    _row("dpmsingle", _SINGLESTEP, "DPM++ 2S", "dpmpp_2s"),
    _row("dpm++_sde", _SINGLESTEP, "DPM++ SDE", "dpmpp_sde k_dpmpp_sde", _SDE),
    _row("dpm++_sde_karras", _SINGLESTEP, "DPM++ SDE Karras", "dpmpp_sde_karras k_dpmpp_sde_ka",
         _SDE | _KARRAS),
    _row("unipc", "UniPCMultistepScheduler", "UniPC", "uni_pc uni_pc_bh2"),
    _row("lcm", "LCMScheduler", "LCM", most_steps=50),
)  # fmt: skip

_FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
_OF_FLOWS = (
    _row("euler", "FlowMatchEulerDiscreteScheduler", "Euler", "k_euler"),
    _row("heun", "FlowMatchHeunDiscreteScheduler", "Heun", "k_heun"),
    _row("dpmsolver++", _MULTISTEP, "DPM++ 2M", more=_FLOW),
    _row("unipc", "UniPCMultistepScheduler", "UniPC", more=_FLOW),
)

SAMPLERS: Mapping[str, Sampler] = MappingProxyType({row.name: row for row in _OF_DIFFUSION})
FLOW_SAMPLERS: Mapping[str, Sampler] = MappingProxyType({row.name: row for row in _OF_FLOWS})
# How each way is spelt -> its name.
KNOWN_SAMPLERS: Mapping[str, str] = MappingProxyType(
    {DDIM: DDIM} | {word: row.name for row in _OF_DIFFUSION for word in row.spellings()}
)
