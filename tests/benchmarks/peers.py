"""What scripts that time Python peers in one process share. Imported before numpy and the peers: they read the
environment as they load."""

import os
import time


def parsed(parser, limit):
    """The command line with the options all of them have; peers are confined to its threads."""
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--library", required=True)
    parser.add_argument("--limit", type=float, default=limit)
    args = parser.parse_args()
    # Peers take as many threads as there are processors for them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
    return args


def mebibytes(field):
    """A field of this process: VmRSS, held now; VmHWM, at the peak. (ru_maxrss would be that of the process it was
    forked from as well.)"""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024


FORMATS = {}  # key -> whether PyTorch is faster in channels_last


def faster_format(key, make):
    """Whether PyTorch is faster in channels_last, `make(channels_last)` giving what to time; and the seconds it took
    to find that out."""
    begun = time.perf_counter()
    if key not in FORMATS:
        seconds = {}
        for channels_last in (True, False):
            run = make(channels_last)
            run()
            begin = time.process_time()
            for _ in range(3):
                run()
            seconds[channels_last] = time.process_time() - begin
        FORMATS[key] = min(seconds, key=seconds.get)
    return FORMATS[key], time.perf_counter() - begun
