"""A prediction in a process of its own that kills itself while it renames its third file: the second shard of the answers.

python -m tests.serving.batch.killed_predict ARGUMENTS OF transfer predict...
"""

import os
import signal
import sys

from transfer import cli
from transfer.serving.batch import answering, prediction

if __name__ == "__main__":
    really, renamed = os.replace, []

    def replace(*arguments: object, **options: object) -> None:
        renamed.append(arguments)
        if len(renamed) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        really(*arguments, **options)  # type: ignore[arg-type]

    os.replace = replace  # type: ignore[assignment]
    answering._SEGMENT, prediction._SECONDS = 4, 0.0
    cli.main(["predict", *sys.argv[1:]])
