"""What an export says of its loss and its noise, in the fields that kohya's scripts have for it."""

from train.config import Config


def of_loss(config: Config) -> dict[str, str]:
    """Return the fields of a loss and of noise that are not the usual ones."""
    return {word: str(value) for word, value in (_loss(config) | _noise(config)).items()}


def _loss(config: Config) -> dict[str, object]:
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
    return found


def _noise(config: Config) -> dict[str, object]:
    found: dict[str, object] = {}
    if config.noise_offset:
        found["ss_noise_offset"] = config.noise_offset
        found["ss_noise_offset_random_strength"] = config.noise_offset_random_strength
        found["ss_adaptive_noise_scale"] = config.adaptive_noise_scale or None
    if config.multires_noise_iterations:
        found["ss_multires_noise_iterations"] = config.multires_noise_iterations
        found["ss_multires_noise_discount"] = config.multires_noise_discount
    if config.ip_noise_gamma:
        found["ss_ip_noise_gamma"] = config.ip_noise_gamma
        found["ss_ip_noise_gamma_random_strength"] = config.ip_noise_gamma_random_strength
    if within := config.timestep_range():
        found["modelspec.timestep_range"] = "{},{}".format(*within)
    return found
