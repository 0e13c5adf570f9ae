"""Text to a corpus on disk: reading, counting, encoding. Light to import: nothing is compiled until a corpus is built."""

from trainer.corpus.builder import Progress, build_corpus
from trainer.corpus.folder import Corpus, is_corpus, open_corpus
from trainer.corpus.phrase_settings import PhraseSettings
from trainer.corpus.report import CorpusReport

__all__ = ["Corpus", "CorpusReport", "PhraseSettings", "Progress", "build_corpus", "is_corpus", "open_corpus"]
