"""One tiny data set for all tests of training."""

import pytest
import torch

from mmindustry.training.dataset import DataSet
from tests.unit.training.tiny import tiny_data


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    torch.set_num_threads(1)
    return tiny_data(tmp_path_factory.mktemp("tiny") / "set")
