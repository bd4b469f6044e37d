"""What an export says of its loss and its noise, in the fields that kohya's scripts have for it."""

from train.config import Config


def of_loss(config: Config) -> dict[str, str]:
    """Return the `ss_*` fields of a loss that is not the usual one."""
    found: dict[str, object] = {}
    if config.loss != Config.loss:
        found["ss_loss_type"] = config.loss.replace("-", "_")
    if config.loss_row().wide:
        found["ss_huber_schedule"] = config.huber_schedule
        found["ss_huber_c"] = config.huber_c
        found["ss_huber_scale"] = config.huber_scale
    if config.min_snr:
        found["ss_min_snr_gamma"] = config.min_snr
    if config.debiased_estimation_loss:
        found["ss_debiased_estimation"] = True
    return {word: str(value) for word, value in found.items()}
