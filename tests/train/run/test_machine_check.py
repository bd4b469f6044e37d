import pytest

from prep.runtime.errors import MachineError
from train.config import Config
from train.methods import config_of
from train.run.machine_check import check_device, check_packages


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            config_of(optimizer="adamw8bit"),
            (
                "`--optimizer adamw8bit` needs `bitsandbytes`, which is not installed",
                "`pip install bitsandbytes`, or leave `--optimizer` out",
            ),
        ),
        (
            config_of(attention="xformers"),
            (
                "`--attention xformers` needs `xformers`, which is not installed",
                "`pip install xformers`, or leave `--attention` out",
            ),
        ),
        (
            config_of(log="tensorboard"),
            (
                "`--log tensorboard` needs `tensorboard`, which is not installed",
                "`pip install tensorboard`, or leave `--log` out",
            ),
        ),
    ],
)
def test_what_is_not_installed_is_named(config: Config, told: tuple[str, str]) -> None:
    """An option whose package is missing says what to install; with it, nothing is said."""
    with pytest.raises(MachineError) as caught:
        check_packages(config, lambda package: False)

    assert (str(caught.value), caught.value.hint) == told
    assert caught.value.others == ()
    check_packages(config, lambda package: True)
    check_packages(config_of(), lambda package: False)


def test_all_that_is_not_installed_is_named_at_once() -> None:
    """Several options whose packages are missing are told together."""
    config = config_of(optimizer="adamw8bit", attention="xformers", log="tensorboard")
    with pytest.raises(MachineError) as caught:
        check_packages(config, lambda package: package == "tensorboard")

    assert str(caught.value).startswith("`--optimizer adamw8bit` needs `bitsandbytes`, which is")
    assert [told for told, _ in caught.value.others] == [
        "`--attention xformers` needs `xformers`, which is not installed"
    ]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            config_of(precision="fp16"),
            (
                "`--precision fp16` needs a GPU, and this run is on the CPU",
                "use `bf16` or `fp32`",
            ),
        ),
        (
            config_of(attention="xformers"),
            ("`--attention xformers` needs a GPU, and this run is on the CPU", "use `sdpa`"),
        ),
    ],
)
def test_what_the_cpu_cannot_do_is_refused(config: Config, told: tuple[str, str]) -> None:
    """Half precision of the GPU's kind and its attention are refused on the CPU only."""
    with pytest.raises(MachineError) as caught:
        check_device(config.precision, config.attention, "cpu")

    assert (str(caught.value), caught.value.hint) == told
    check_device(config.precision, config.attention, "cuda")
    check_device("bf16", "sdpa", "cpu")
