"""Hashed n-grams, as `crates/engine-onnx/src/features.rs` computes them.

A text is its UTF-8 bytes with the letters A to Z made small. Its units are bytes, or words: runs of letters, digits,
`_` and bytes above 127. Every run of `from_n` to `to_n` units is hashed with FNV-1a (32 bits; words are followed by one
byte 0x1f each), folded by `hash ^ hash >> 15`, and counted in the bucket `hash mod buckets`. A feature is the square root
of its count's share of all counts, so that a vector has length 1; a text without n-grams is all zeros.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

OFFSET, PRIME, MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
WORD = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_") | frozenset(range(128, 256))


@dataclass(frozen=True)
class Features:
    unit: str  # "byte" or "word"
    from_n: int
    to_n: int
    buckets: int
    max_bytes: int  # bytes of a text that are read; the rest is left out

    def settings(self):
        return {"kind": "hashed_ngrams", "unit": self.unit, "from": self.from_n, "to": self.to_n,
                "buckets": self.buckets, "max_bytes": self.max_bytes}

    def counts(self, text):
        """Count of each bucket."""
        data = text.encode("utf-8", "replace")[: self.max_bytes].lower()
        units = [bytes([byte]) for byte in data] if self.unit == "byte" else words(data)
        found = {}
        for start in range(len(units)):
            code = OFFSET
            for length, unit in enumerate(units[start : start + self.to_n], 1):
                for byte in unit:
                    code = ((code ^ byte) * PRIME) & MASK
                if length >= self.from_n:
                    bucket = (code ^ (code >> 15)) % self.buckets
                    found[bucket] = found.get(bucket, 0) + 1
        return found

    def matrix(self, texts):
        """Sparse float32 matrix, one row for each text."""
        rows, columns, values = [], [], []
        for row, text in enumerate(texts):
            found = self.counts(text)
            total = sum(found.values())
            for bucket, count in found.items():
                rows.append(row)
                columns.append(bucket)
                values.append(np.float32(np.sqrt(count / total)))
        return sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), self.buckets), dtype=np.float32)


def words(data):
    """Words of small-lettered bytes, each with the byte that ends it."""
    found, word = [], bytearray()
    for byte in data:
        if byte in WORD:
            word.append(byte)
        elif word:
            found.append(bytes(word) + b"\x1f")
            word.clear()
    if word:
        found.append(bytes(word) + b"\x1f")
    return found
