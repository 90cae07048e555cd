"""Remove tokenised tables from a run's cache_dir, those used longest ago first and none that a run uses.

    python scripts/clean_cache.py --cache_dir output/pretrain/cache --cache_gb 100

What is removed is tokenised anew when a run asks for it.
"""

import argparse
from pathlib import Path

from omnina.cache_cleaning import clean_cache
from omnina.command import run_command

GIGABYTE = 10**9


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--cache_dir", type=Path, required=True, help="of a run's configuration")
    parser.add_argument("--cache_gb", type=float, required=True, help="what may stay; 0: what is in use only")
    return parser.parse_args()


def main() -> None:
    """Clean, and say what is gone."""
    given = parse_arguments()
    removed, left = clean_cache(given.cache_dir, int(given.cache_gb * GIGABYTE))
    print(f"{len(removed)} table sets and left-over shards removed; {left / GIGABYTE:.3f} GB are left.")


if __name__ == "__main__":
    run_command(main)
