"""One thread for torch in every test and notebook: their tensors are small, and two threads that
wait for each other on a busy machine take many times longer than one."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
