"""A first request imports little more than torch, and the f5-tts names that it leans on are still those."""

import inspect
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from f5_worker.model.engine import STAND_INS, Engine, load_engine
from f5_worker.model.files import load_config, official_configs
from tests import PATIENCE, REPOSITORY
from tests.support.processes import clean_environment

# What may not be imported by a first request for English speech; each is installed, and costs what is said.
KEPT_OUT = {
    "f5_tts.api": "stock's front end: 7 s with all that it drags in",
    "f5_tts.infer.utils_infer": "the same",
    "f5_tts.model.trainer": "training: wandb, datasets and accelerate, 1.7 s",
    "f5_tts.model.dataset": "training",
    "torchdiffeq": "scipy.integrate, 0.5 s",
    "scipy.integrate": "0.5 s",
    "scipy.signal": "0.5 s",
    "huggingface_hub": "0.1 s, wanted for downloads only",
    "pypinyin": "0.3 s, wanted for Chinese only",
    "transformers": "seconds, wanted for references without a transcript only",
    "av": "0.1 s, wanted for containers that soundfile cannot read only",
    "boto3": "0.3 s, wanted for S3 only",
    "pocketsphinx": "wanted for word times only",
    "wetext": "0.2 s, wanted for numbers in Chinese and Japanese only",
    "botocore": "the same",
    "matplotlib": "stock's spectrograms",
    "pydub": "stock's reader of clips; it starts ffmpeg",
    "hydra": "stock's configurations",
    "omegaconf": "the same",
    "torch._dynamo": "1.5 s, by way of the meta device, torch.compile or decorators of others",
    "torch._inductor": "the same",
    "sympy": "the same",
    "networkx": "the same",
    "fastapi": "0.4 s, wanted for the HTTP front only",
    "uvicorn": "the same",
    "f5_worker.front": "the same",
}
# On top of what the SDK and torch import: 68 modules are f5-tts's and vocos's, 97 more the request's and the load's. A heavy
# package has hundreds, so one that nobody thought of shows too.
MOST_ENGINE_MODULES = 100
MOST_REQUEST_MODULES = 250

FIRST_REQUEST = """
import asyncio, json, sys
import handler
sdk = set(sys.modules)
import torch, torchaudio
torch_alone = set(sys.modules)
from f5_worker.model.engine import load_engine
load_engine()
engine = set(sys.modules)
answer = asyncio.run(handler.handler({"id": "job", "input": {"text": "Hello.", "nfe_step": 1}}))
everything = set(sys.modules)
report = {"answer": answer, "engine": sorted(engine - torch_alone), "everything": sorted(everything),
          "request": sorted(everything - torch_alone)}
open(sys.argv[1], "w").write(json.dumps(report))
"""


def reported(source: str, folder: Path, **variables: str) -> Any:
    """What ``source``, in a Python of its own in ``folder``, wrote as JSON into the file that its argument names."""
    report = folder / "report.json"
    environment = clean_environment(folder, PYTHONPATH=str(REPOSITORY), **variables)
    subprocess.run([sys.executable, "-c", source, str(report)], cwd=folder, env=environment, check=True, timeout=PATIENCE)
    return json.loads(report.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Imported:
    """Modules by name: all of them, and what came on top of the SDK and torch by the engine and by the whole first request."""

    everything: Sequence[str]
    engine: Sequence[str]
    request: Sequence[str]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """What a process has imported when it has spoken once, with the smoke model."""
    folder = tmp_path_factory.mktemp("first-request")
    found = reported(FIRST_REQUEST, folder, F5TTS_MODEL="smoke", F5TTS_DEVICE="cpu")
    assert found["answer"].get("status") == "completed", found["answer"]
    return Imported(found["everything"], found["engine"], found["request"])


@pytest.mark.parametrize("module", KEPT_OUT)
def test_what_is_kept_out_stays_out(module: str, imported: Imported) -> None:
    assert module not in imported.everything


def test_what_is_kept_out_is_installed_and_could_come_back() -> None:
    load_engine()  # to look for a module, Python imports the package that holds it
    assert [module for module in KEPT_OUT if find_spec(module) is None] == []


def test_nothing_heavy_comes_back_under_another_name(imported: Imported) -> None:
    assert len(imported.engine) <= MOST_ENGINE_MODULES, imported.engine
    assert len(imported.request) <= MOST_REQUEST_MODULES, imported.request


def test_no_stand_in_stays_behind(imported: Imported) -> None:
    assert [name for name in STAND_INS if name in imported.everything] == []


def test_chinese_reaches_the_real_pypinyin() -> None:
    assert load_engine().convert_char_to_pinyin(["你好"]) == [[" ", "ni2", " ", "hao3"]]


ASKED_FOR = """
import builtins, json, sys
asked = set()
real = builtins.__import__
def note(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0:
        asked.add(name)
        asked.update(f"{name}.{part}" for part in fromlist or ())
    return real(name, globals, locals, fromlist, level)
import torch, torchaudio
from f5_worker.model.engine import load_engine
builtins.__import__ = note
load_engine()
builtins.__import__ = real
open(sys.argv[1], "w").write(json.dumps(sorted(asked)))
"""


def test_every_stand_in_is_wanted_by_somebody(tmp_path: Path) -> None:
    wanted = set(reported(ASKED_FOR, tmp_path))
    parents = {name.rpartition(".")[0] for name in wanted}
    assert [name for name in STAND_INS if name not in wanted | parents] == []


PROCESSOR = """
import json, sys
started = []
sys.addaudithook(lambda event, arguments: started.append(arguments[0]) if event == "subprocess.Popen" else None)
import handler
import cpuinfo
from runpod.serverless.utils import rp_debugger
with open(sys.argv[1], "w") as report:
    json.dump([started, cpuinfo.get_cpu_info.__module__, rp_debugger.PROCESSOR], report)
"""


def test_the_sdk_is_imported_without_a_second_python_that_times_the_processor(tmp_path: Path) -> None:
    started, module, processor = reported(PROCESSOR, tmp_path)
    assert set(started) <= {"file", "uname"}  # py-cpuinfo's own import: 10 ms
    assert module == "cpuinfo.cpuinfo"
    assert processor


# Names and defaults of the parameters, in order, of all that the worker calls; "-" is none.
SIGNATURES = {
    "CFM": "transformer=- sigma=0.0 odeint_kwargs={'method': 'euler'} audio_drop_prob=0.3 cond_drop_prob=0.2 num_channels=None "
    "mel_spec_module=None mel_spec_kwargs={} frac_lengths_mask=(0.7, 1.0) vocab_char_map=None",
    "convert_char_to_pinyin": "text_list=- polyphone=True",
    "list_str_to_idx": "text=- vocab_char_map=- padding_value=-1",
    "get_tokenizer": "dataset_name=- tokenizer='pinyin'",
    "get_epss_timesteps": "n=- device=- dtype=-",
    "lens_to_mask": "t=- length=None",
}
BACKBONE_CALL = "self=- x=- cond=- text=- time=- mask=None drop_audio_cond=False drop_text=False cfg_infer=False cache=False"


def parameters(function: Any) -> str:
    """The parameters of a function or class, without annotations."""
    found = inspect.signature(function).parameters.values()
    return " ".join(f"{one.name}={'-' if one.default is one.empty else repr(one.default)}" for one in found)


@pytest.mark.parametrize("name", SIGNATURES)
def test_functions_take_what_we_give(name: str) -> None:
    assert parameters(getattr(load_engine(), name)) == SIGNATURES[name]


def test_every_name_of_the_engine_is_checked() -> None:
    assert {field.name for field in fields(Engine)} == {*SIGNATURES, "torch", "backbones", "Vocos"}


def test_vocos_takes_what_we_give() -> None:
    vocos = load_engine().Vocos
    assert parameters(vocos.from_hparams) == "config_path=-"
    assert parameters(vocos.decode) == "self=- features_input=- kwargs=-"


@pytest.mark.parametrize("name", ["DiT", "UNetT"])
def test_backbones_take_what_we_give(name: str) -> None:
    backbone = load_engine().backbones[name]
    assert parameters(backbone.forward) == BACKBONE_CALL
    assert parameters(backbone.clear_cache) == "self=-"
    assert {"text_num_embeds", "mel_dim"} <= inspect.signature(backbone).parameters.keys()


@pytest.mark.parametrize("name", sorted(official_configs()))
def test_backbones_take_every_official_configuration(name: str) -> None:
    model = load_config(official_configs()[name])
    backbone = load_engine().backbones[model["backbone"]]
    inspect.signature(backbone).bind(**model["arch"], text_num_embeds=1, mel_dim=model["mel_spec"]["n_mel_channels"])


@pytest.fixture(scope="module")
def small_dit() -> Any:
    """A DiT of one block, as the worker builds it."""
    return load_engine().backbones["DiT"](
        dim=16, depth=1, heads=2, dim_head=8, ff_mult=1, text_dim=8, conv_layers=1, text_num_embeds=5, mel_dim=4
    )


def test_the_text_can_be_embedded_on_its_own(small_dit: Any) -> None:
    torch = load_engine().torch
    assert parameters(small_dit.text_embed.forward) == "text=- seq_len=- drop_text=False"
    assert small_dit.text_embed(torch.tensor([[1, 2, 3]]), seq_len=6, drop_text=False).shape == (1, 6, 8)


def test_an_embedded_text_is_taken_from_the_cache_until_it_is_cleared(small_dit: Any) -> None:
    torch = load_engine().torch
    small_dit.eval().requires_grad_(False)
    small_dit.proj_out.weight.fill_(1.0)  # zero at first, which would hide the text
    x, condition, text, time = torch.ones(1, 6, 4), torch.ones(1, 6, 4), torch.tensor([[1, 2, 3]]), torch.tensor(0.5)

    def flow() -> Any:
        return small_dit(x=x, cond=condition, text=text, time=time, mask=None, cfg_infer=True, cache=True)

    embedded = small_dit.text_embed(text, seq_len=6)
    first = flow()
    small_dit.text_cond, small_dit.text_uncond = 10 * embedded, 10 * embedded
    other = flow()
    small_dit.clear_cache()
    assert first.shape == (2, 6, 4)
    assert not torch.equal(first, other)
    assert torch.equal(first, flow())


def test_masks_of_attention_can_be_switched_on(small_dit: Any) -> None:
    assert [block.attn.processor.attn_mask_enabled for block in small_dit.transformer_blocks] == [False]
    assert small_dit.dim == 16
