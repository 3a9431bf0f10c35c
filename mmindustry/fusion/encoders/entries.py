"""Log entries -> one embedding, by any reading of an entry; words in order."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.errors import InputError
from mmindustry.features.spec import TEXT_META_WIDTH
from mmindustry.features.text import word_row, words
from mmindustry.fusion.encoders.attention import AttentionLayer
from mmindustry.fusion.encoders.layers import ItemPool, Projection
from mmindustry.fusion.encoders.shape import Encoder, masked_max, masked_mean
from mmindustry.fusion.items import Encoded, Items, silent
from mmindustry.fusion.pretrained import Found
from mmindustry.fusion.spec import NetworkSpec


class EntryEncoder(Encoder):
    """What they share: a reading of each entry beside its age and manner, pooled over entries."""

    def __init__(self, spec: NetworkSpec, reading_width: int) -> None:
        super().__init__(reading_width)
        self.entry = Projection(reading_width + TEXT_META_WIDTH, spec.width)
        self.pool = ItemPool(spec.width)

    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return features of each entry, (batch, entries, reading width)."""
        raise NotImplementedError

    @override
    def forward(self, arrays: Mapping[str, Tensor]) -> Encoded:
        """Return the embedding, the entries and the mean of their readings."""
        mask = arrays["text_mask"]  # (batch, entries)
        read = silent(self.reading(arrays), mask)  # (batch, entries, reading width)
        meta = silent(arrays["text_meta"], mask)
        entries = self.entry(torch.cat([read, meta], dim=-1))  # (batch, entries, width)
        written = Items(entries, mask, -arrays["text_age"])
        return Encoded(self.pool(*written), written, None, masked_mean(read, mask))


class WordVectors(nn.Embedding):
    """A vector for each row that words are hashed to; row 0 is padding and stays zero."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__(rows, width, padding_idx=0)
        nn.init.normal_(self.weight, std=0.3)
        with torch.no_grad():
            self.weight[0].zero_()

    @override
    def forward(self, ids: Tensor) -> Tensor:
        """Return vectors (..., width) of ids (...), zero at padding."""
        return silent(super().forward(ids), ids)

    def adopt(self, found: Found) -> None:
        """Fill rows from a GloVe or word2vec text file, the most frequent words first.

        Words that share a row with one before them are passed over.

        Raises:
            InputError: A line is no word with as many numbers as a vector has.
        """
        taken = {0}
        with torch.no_grad():
            for word, values in _vectors(found.source, found.content, self.embedding_dim):
                cut = words(word)
                row = word_row(cut[0], self.num_embeddings) if len(cut) == 1 else 0
                if row not in taken:
                    taken.add(row)
                    self.weight[row] = torch.tensor(values)
        if len(taken) == 1:
            raise InputError(f"{found.source}: holds no word vectors")


def _vectors(name: str, content: bytes, width: int) -> Iterator[tuple[str, list[float]]]:
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        word, *rest = line.rstrip().split(" ")
        if number == 1 and len(rest) == 1:
            continue  # word2vec's head: how many, how wide
        if len(rest) != width:
            raise InputError(
                f"{name}: line {number} has {len(rest)} numbers, expected {width}; "
                "set the encoder's size 'vector' to the file's"
            )
        try:
            yield word, [float(value) for value in rest]
        except ValueError as error:
            raise InputError(f"{name}: line {number}: {error}") from error


class _WordsRecurrent(EntryEncoder):
    net: type[nn.LSTM | nn.GRU]

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        hidden = sizes["hidden"]
        super().__init__(spec, 4 * hidden)
        self.vectors = WordVectors(spec.recipe.word_rows, sizes["vector"])
        self.states = self.net(sizes["vector"], hidden, batch_first=True, bidirectional=True)

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return [mean ; max] over words of the states of both directions."""
        ids = arrays["text_words"].long()  # (batch, entries, words)
        batch, count = ids.shape[:2]
        flat = ids.flatten(0, 1)  # (batch * entries, words)
        states = self.states(self.vectors(flat))[0]  # (batch * entries, words, 2 * hidden)
        read = torch.cat([masked_mean(states, flat), masked_max(states, flat)], dim=-1)
        return read.reshape(batch, count, -1)  # (batch, entries, 4 * hidden)

    @override
    def pretrained_net(self) -> nn.Module:
        return self.vectors

    @override
    def adopt(self, found: Found) -> None:
        """Fill the word vectors from a text file."""
        self.vectors.adopt(found)


class WordsLstm(_WordsRecurrent):
    """Bidirectional LSTM over word vectors."""

    net = nn.LSTM


class WordsGru(_WordsRecurrent):
    """Bidirectional GRU over word vectors."""

    net = nn.GRU


class Transformer(EntryEncoder):
    """Self-attention over words in order, places learned, trained from nothing."""

    def __init__(self, spec: NetworkSpec, sizes: Mapping[str, int]) -> None:
        hidden = sizes["hidden"]
        super().__init__(spec, hidden)
        self.vectors = WordVectors(spec.recipe.word_rows, hidden)
        self.places = nn.Parameter(torch.randn(spec.recipe.words, hidden) * 0.1)
        self.layers = nn.ModuleList(
            AttentionLayer(hidden, sizes["heads"]) for _ in range(sizes["layers"])
        )

    @override
    def reading(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return the mean over words of what attention made of them."""
        ids = arrays["text_words"].long()  # (batch, entries, words)
        batch, count = ids.shape[:2]
        flat = ids.flatten(0, 1)  # (batch * entries, words)
        sequence = self.vectors(flat) + self.places  # (batch * entries, words, hidden)
        for layer in self.layers:
            sequence = layer(sequence, flat)
        return masked_mean(sequence, flat).reshape(batch, count, -1)
