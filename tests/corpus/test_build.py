import pytest

from omnina.corpus.build import summary
from omnina.corpus.manifest import write_manifest
from omnina.corpus.rejected_list import header
from omnina.corpus.shards import ShardSettings
from omnina.corpus.task_output import TaskOutput
from omnina.errors import UserError


@pytest.mark.parametrize(
    ("filtered", "rejected", "message"),
    [
        ({"too short": 2, "too long": 1}, {"broken": 1}, "none of 4 passages was kept, 2 for .*: too short;"),
        ({"too short": 1}, {"broken": 2}, "none of 3 passages was kept, 2 for .*: broken; change the conf"),
        ({}, {}, "'sources' takes no passage of the record files; change the configuration"),
    ],
)
def test_a_run_that_kept_nothing_is_an_error_with_the_reason_of_most(tmp_path, filtered, rejected, message):
    with TaskOutput(tmp_path, 0, {"": ShardSettings()}, {}) as output:
        output.counts_of("").filtered.update(filtered)
        output.counts_of("").rejected.update(rejected)
    (tmp_path / "rejected.csv").write_bytes(header() + b"a.fa,a,,broken,why,0\n" * rejected.get("broken", 0))
    write_manifest(tmp_path, 1, {}, ["train"])
    with pytest.raises(UserError, match=message):
        summary(tmp_path)
