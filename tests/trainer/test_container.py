"""What a container is started for, from the command line, the environment and the folders of platforms."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artifact.errors import InputError
from artifact.store import Store
from trainer.checkpoint import Checkpoints
from trainer.container import plan_job, run

IMAGE = {"WORDKIN_STORE": "/store", "WORDKIN_CACHE": "/var/cache/wordkin", "PATH": "/usr/bin"}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def amazon(tmp_path):
    """The folders that SageMaker makes, and a way to say hyperparameters."""

    class Amazon:
        root = tmp_path / "root"
        folder = root / "opt/ml"

        def say(self, **values):
            self.path.write_text(json.dumps(values))

        @property
        def path(self):
            return self.folder / "input/config/hyperparameters.json"

        def channel(self, name):
            path = self.folder / "input/data" / name
            path.mkdir(parents=True)
            return str(path)

        def plan(self, *argv, **environment):
            return plan_job(argv, IMAGE | environment, root=self.root)

    for name in ("input/config", "input/data", "model", "output"):
        (Amazon.folder / name).mkdir(parents=True)
    return Amazon()


def leave_checkpoint(folder):
    folder.mkdir(parents=True)
    (folder / "current.json").write_text("{}")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--help",),
        ("train",),
        ("train", "--help"),
        ("train", "cbow", "/data/corpus.txt", "--name", "mine", "--store", "/store"),
        ("train", "rnnlm", "/data/a.txt", "/data/b.txt", "--name=mine"),
        ("train", "poetry", "/data/corpus.txt"),
        ("models", "--store", "/store"),
    ],
)
def test_a_command_line_alone_stays_as_it_is(tmp_path, argv):
    job = plan_job(argv, IMAGE, root=tmp_path)
    assert job.argv == argv
    assert job.environment == IMAGE
    assert job.failure is None


def test_resuming_by_itself_goes_on_where_there_is_something(tmp_path):
    environment = IMAGE | {"WORDKIN_RESUME": "auto"}
    argv = ("train", "cbow", "corpus.txt", "--name", "mine", "--store", str(tmp_path / "store"))
    assert plan_job(argv, environment, root=tmp_path).argv == argv
    leave_checkpoint(tmp_path / "store/.checkpoints/mine")
    job = plan_job(argv, environment, root=tmp_path)
    assert job.argv == (*argv, "--resume")
    assert job.environment == IMAGE
    for more in ("--resume", "--no-resume"):
        assert plan_job((*argv, more), environment, root=tmp_path).argv == (*argv, more)
    assert plan_job(argv, IMAGE, root=tmp_path).argv == argv
    assert plan_job(argv, IMAGE | {"WORDKIN_RESUME": "1"}, root=tmp_path).environment["WORDKIN_RESUME"] == "1"
    other = (*argv, "--checkpoints", str(tmp_path / "elsewhere"))
    assert plan_job(other, environment, root=tmp_path).argv == other
    leave_checkpoint(tmp_path / "elsewhere/mine")
    assert plan_job(other, environment, root=tmp_path).argv == (*other, "--resume")


def test_sagemaker_says_train_and_the_rest_lies_in_folders(amazon):
    amazon.say(model="cbow", dim="200", min_count='"3"', phrases="true", subsample="1e-4", name='"news"')
    training = amazon.channel("training")
    amazon.channel("validation")
    (amazon.folder / "checkpoints").mkdir()
    job = amazon.plan("train")
    assert job.argv == (
        *("train", "cbow", "--dim=200", "--min-count=3", "--phrases", "--subsample=1e-4", "--name=news"),
        training,
        f"--store={amazon.folder / 'model'}",
        f"--checkpoints={amazon.folder / 'checkpoints'}",
    )
    assert job.failure == amazon.folder / "output/failure"
    leave_checkpoint(amazon.folder / "checkpoints/news")
    assert amazon.plan("train").argv == (*job.argv, "--resume")


def test_a_language_model_takes_the_other_channels_too(amazon):
    amazon.say(model="rnnlm")
    paths = {name: amazon.channel(name) for name in ("train", "validation", "test", "model")}
    assert amazon.plan("train").argv == (
        *("train", "rnnlm", paths["train"], "--name=model", f"--store={amazon.folder / 'model'}"),
        *(f"--valid={paths['validation']}", f"--test={paths['test']}"),
    )


def test_what_the_toolkit_says_wins_over_the_folders(amazon):
    amazon.channel("train")
    job = amazon.plan(
        "train",
        "rnnlm",
        SM_CHANNEL_TRAIN="/mnt/train",
        SM_CHANNEL_VALIDATION="/mnt/valid",
        SM_MODEL_DIR="/mnt/model",
    )
    assert job.argv == (
        *("train", "rnnlm", "/mnt/train", "--name=model", "--store=/mnt/model", "--valid=/mnt/valid"),
    )


def test_channels_by_other_names_are_texts(amazon):
    amazon.say(model="skipgram")
    news, wiki = amazon.channel("news"), amazon.channel("wiki")
    for name in ("test", "valid", "model", "code"):
        amazon.channel(name)
    (amazon.folder / "input/data/news-manifest").write_text("")
    assert amazon.plan("train").argv[:4] == ("train", "skipgram", news, wiki)


def test_the_command_line_and_the_environment_win(amazon):
    amazon.say(model="cbow", dim="200", epochs="3", seed="4", phrases="true", text="/mnt/corpus")
    amazon.channel("training")
    argv = ("train", "skipgram", "/mnt/text", "--dim", "50", "--name=mine", "--no-phrases")
    job = amazon.plan(*argv, WORDKIN_SEED="9", WORDKIN_STORE="s3://bucket/models")
    assert job.argv == (*argv, "--epochs=3")
    assert amazon.plan("train", "--name", "mine").argv[:6] == (
        *("train", "cbow", "--name", "mine", "--dim=200", "--epochs=3"),
    )
    assert "/mnt/corpus" in amazon.plan("train").argv


def test_hyperparameters_of_every_kind(amazon):
    amazon.say(
        model="cbow",
        dim=64,
        phrases=False,
        recipe=None,
        phrase_connectors='["of", "the"]',
        license='"CC BY 4.0"',
        provenance="texts, 2020",
        sagemaker_program="train.py",
        _tuning_objective_metric="loss",
    )
    amazon.channel("training")
    assert set(amazon.plan("train").argv[2:-3]) == {
        *("--dim=64", "--no-phrases", "--phrase-connectors=of,the", "--license=CC BY 4.0"),
        "--provenance=texts, 2020",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"model": "cbow", "dimension": "50"}', "there is no option 'dimension'"),
        ('{"model": "cbow", "phrases": "perhaps"}', "phrases must be 1 or 0, not 'perhaps'"),
        ('{"model": "poetry"}', "which model"),
        ("{}", "which model"),
        ('{"model": "cbow", "dim": {"a": 1}}', "'dim' must be a string or a number"),
        ("[1]", "not an object"),
        ("model: cbow", "not JSON"),
    ],
)
def test_hyperparameters_that_are_none_are_refused(amazon, capsys, text, said):
    amazon.path.write_text(text)
    with pytest.raises(InputError, match=said):
        amazon.plan("train")
    assert run(["train"], IMAGE, root=amazon.root) == 2
    assert (amazon.folder / "output/failure").read_text() == capsys.readouterr().err.removeprefix("wordkin: ")


def test_other_commands_are_not_filled_in(amazon):
    amazon.say(model="cbow")
    assert amazon.plan("verify", "--store", "/opt/ml/model").argv == ("verify", "--store", "/opt/ml/model")


def test_vertex_names_buckets_which_are_mounted(tmp_path):
    (tmp_path / "gcs/bucket").mkdir(parents=True)
    environment = IMAGE | {
        "AIP_MODEL_DIR": "gs://bucket/job/model",
        "AIP_CHECKPOINT_DIR": "gs://bucket/job/checkpoints",
        "AIP_TRAINING_DATA_URI": "gs://bucket/texts/train-*.txt",
        "AIP_VALIDATION_DATA_URI": "gs://bucket/texts/valid.txt",
        "AIP_TEST_DATA_URI": "",
    }
    mounted = tmp_path / "gcs/bucket"
    argv = ("train", "rnnlm", "--name", "mine")
    expected = (
        *argv,
        f"{mounted}/texts/train-*.txt",
        "--store=gs://bucket/job/model",
        f"--checkpoints={mounted}/job/checkpoints",
        f"--valid={mounted}/texts/valid.txt",
    )
    assert plan_job(argv, environment, root=tmp_path).argv == expected
    leave_checkpoint(mounted / "job/checkpoints/mine")
    assert plan_job(argv, environment, root=tmp_path).argv == (*expected, "--resume")
    given = (
        "train",
        "cbow",
        "gs://bucket/a.txt",
        "--store",
        "gs://bucket/b",
        "--checkpoints",
        "gs://bucket/c",
    )
    assert plan_job(given, IMAGE, root=tmp_path).argv == (
        *("train", "cbow", f"{mounted}/a.txt", "--store", "gs://bucket/b", "--checkpoints", f"{mounted}/c"),
    )


def test_a_bucket_that_is_not_mounted_is_refused(tmp_path):
    for name in ("AIP_CHECKPOINT_DIR", "AIP_TRAINING_DATA_URI"):
        environment = IMAGE | {name: "gs://elsewhere/folder"}
        with pytest.raises(
            InputError, match=rf"{name} is 'gs://elsewhere/folder', but .*gcs/elsewhere is not"
        ):
            plan_job(("train", "cbow"), environment, root=tmp_path)


def test_a_store_in_a_bucket_needs_its_package(tmp_path, text, monkeypatch, capsys):
    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    environment = IMAGE | {"AIP_MODEL_DIR": "gs://bucket/model"}
    assert run(["train", "cbow", str(text), "--name", "mine"], environment, root=tmp_path) == 2
    said = capsys.readouterr().err
    assert "a store at gs://bucket/model needs more packages" in said
    assert len(said.splitlines()) == 1


def test_data_that_are_no_texts_are_refused(tmp_path):
    environment = IMAGE | {"AIP_TRAINING_DATA_URI": "gs://a/b-*.jsonl", "AIP_DATA_FORMAT": "jsonl"}
    with pytest.raises(InputError, match="AIP_DATA_FORMAT is 'jsonl'"):
        plan_job(("train", "cbow"), environment, root=tmp_path)


SMALL = {"model": "cbow", "engine": "plain", "dim": "8", "epochs": "1", "min_count": "2", "threads": "1"}


def test_a_sagemaker_job_from_text_to_model(amazon, text, capsys):
    amazon.say(**SMALL, name="farm")
    shutil.copy(text, amazon.channel("training"))
    (amazon.folder / "checkpoints").mkdir()
    assert run(["train"], IMAGE, root=amazon.root) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["event"] == "published"
    store = Store(amazon.folder / "model")
    assert store.open("farm").embedding().dim == 8
    assert [path.name for path in (amazon.folder / "model").iterdir()] == ["farm"]
    assert Checkpoints(store.root, "farm", folder=amazon.folder / "checkpoints").kept() == store.versions(
        "farm"
    )
    assert not (amazon.folder / "output/failure").exists()
    again = ("--resume-from", "farm", "--epochs", "1")
    assert run(["train", *again], IMAGE, root=amazon.root) == 0
    assert len(store.versions("farm")) == 2


def test_why_a_job_failed_is_said_to_the_platform(amazon, capsys):
    amazon.say(**SMALL)
    amazon.channel("training")
    assert run(["train"], IMAGE, root=amazon.root) == 2
    said = (amazon.folder / "output/failure").read_text()
    assert said == capsys.readouterr().err.removeprefix("wordkin: ")
    assert "no files in this folder" in said


def test_a_mistake_of_ours_is_said_too(amazon, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("the roof fell in")

    monkeypatch.setattr("trainer.container.main", fail)
    amazon.say(**SMALL)
    with pytest.raises(RuntimeError):
        run(["train"], IMAGE, root=amazon.root)
    assert (amazon.folder / "output/failure").read_text() == "RuntimeError: the roof fell in\n"


def test_a_machine_that_is_taken_away_and_given_back(text, store, tmp_path):
    """As a process: SIGTERM in the middle, then the same command again."""
    command = [
        *(
            sys.executable,
            "-m",
            "trainer.container",
            "train",
            "cbow",
            text,
            "--name",
            "farm",
            "--store",
            store,
        ),
        *("--engine", "plain", "--dim", "16", "--threads", "1", "--min-count", "2", "--epochs", "9"),
        *("--checkpoints", tmp_path / "states", "--neighbours", "0"),
    ]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WORDKIN_")}
    environment = kept | {"WORDKIN_RESUME": "auto", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    for line in process.stdout:
        if json.loads(line).get("stage") == "train":
            break
    time.sleep(0.05)  # somewhere in the middle: where does not matter
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert (tmp_path / "states/farm/current.json").is_file()
    again = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "is being replaced" not in again.stderr
    assert Store(store).names() == ["farm"]
    assert not (store / ".checkpoints").exists()
