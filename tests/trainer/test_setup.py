import pytest

from artifact.errors import InputError
from trainer.commands.train import WORD_VECTOR_OPTIONS
from trainer.options import resolve
from trainer.setup import Setup


def ask(**flags):
    return resolve(WORD_VECTOR_OPTIONS, flags={"name": "farm", "store": "store", **flags}, environment={})


@pytest.mark.parametrize(
    ("asked", "device", "gpus"),
    [
        ({}, "gpu", 4),
        ({"device": "cpu"}, "cpu", 4),
        ({"device": "auto"}, "auto", 4),
        ({"gpus": 2}, "gpu", 2),
        ({"table_dtype": "float16"}, "gpu", 4),
    ],
)
def test_what_began_on_gpus_goes_on_where_it_is_told_to(asked, device, gpus):
    began = Setup.from_arguments(ask(device="gpu", gpus=4, dim=30), model="cbow")
    goes_on = Setup.from_arguments(ask(**asked), model="cbow").go_on(began, ask(**asked))
    assert (goes_on.device, goes_on.settings.gpus, goes_on.settings.dim) == (device, gpus, 30)
    assert goes_on.settings.table_dtype == asked.get("table_dtype", "float32")


def test_what_began_on_a_cpu_goes_on_on_gpus_but_not_with_other_settings():
    began = Setup.from_arguments(ask(device="cpu", dim=30), model="cbow")
    goes_on = Setup.from_arguments(ask(gpus=2), model="cbow").go_on(began, ask(gpus=2))
    assert (goes_on.device, goes_on.settings.gpus) == ("gpu", 2)
    with pytest.raises(InputError, match="--dim is 31, but the interrupted training has 30"):
        Setup.from_arguments(ask(dim=31), model="cbow").go_on(began, ask(dim=31))
