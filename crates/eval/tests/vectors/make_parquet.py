"""Makes ../it/data/predictions.parquet with pyarrow 26: two row groups, dictionary texts, nanoseconds, lists, structures."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq

start = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
table = pa.table(
    {
        "id": pa.array(["a", "b", "c", "d"]),
        "target": pa.array(["attack", "benign", "attack", "benign"]).dictionary_encode(),
        "prediction": pa.array(["attack", "benign", "benign", None]),
        "score": pa.array([0.875, 0.25, 0.4, None], pa.float32()),
        "probabilities": pa.array([{"attack": 0.875, "benign": 0.125}] * 4),
        "timestamp": pa.array([start + datetime.timedelta(hours=n) for n in range(4)], pa.timestamp("ns", "UTC")),
        "weight": pa.array([1, 2, 1, 1], pa.uint8()),
        "problem": pa.array([None, None, None, "timed_out"]),
        "tags": pa.array([["x", 'quoted "y"'], [], None, ["z"]]),
        "raw": pa.array([b"a", b"b", b"c", b"d"], pa.binary()),
        "day": pa.array([datetime.date(2026, 3, 1)] * 4),
        "ratio": pa.array([1.0, float("nan"), 0.1, 1e300]),
    }
)
pq.write_table(table, "../it/data/predictions.parquet", row_group_size=3, compression="zstd")
