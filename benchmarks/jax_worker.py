"""spyx and spatial_snns (JAX) in a separate process, whose environment does not need torch.

The process reads one JSON request per line and answers each with one JSON line, so that its runs
can be interleaved with those of the requesting process. It imports nothing from this project.
"""

import json
import os
import sys
import time


def main() -> None:
    threads = int(sys.argv[1])
    if hasattr(os, "sched_setaffinity"):  # XLA uses one thread per available core
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_X64"] = "1"  # for the comparison; timed arrays are float32
    import jax
    import jax.numpy as jnp
    import numpy as np

    def make(beta: float, n: int):
        import spyx
        from flax import nnx

        layer = spyx.nn.LIF((n,), beta=beta, activation=spyx.axn.superspike(25), rngs=nnx.Rngs(0))

        def run(x):
            def step(v, x_t):
                spikes, v = layer(x_t, v)
                return v, spikes

            return jax.lax.scan(step, jnp.zeros_like(x[0]), x)[1]

        @jax.jit
        def both(x, g):
            spikes, back = jax.vjp(run, x)
            return spikes, back(g)[0]

        return both

    ready: dict = {}

    def spatial(request: dict) -> dict:
        """Set up a layer of spatial_snns, from `sim.py` on the path; return its first spikes."""
        from sim import sim

        spikes, w, d = (np.array(request[name]) for name in ("spikes", "w", "d"))
        n_in, width = w.shape
        bits = np.pad(spikes > 0, ((0, 0), (0, -n_in % 32)))
        words = jnp.asarray(np.packbits(bits, axis=1).view(np.uint32))
        silent = jnp.zeros((width, width))

        def count(w, d):
            s, _, _ = sim(
                n_in, width, w, silent, d.ravel(), silent.ravel(), words,
                dt=request["dt"], max_delay_timesteps=int(request["longest"]) + 2,
            )  # fmt: skip
            return s.sum(), s

        run = jax.jit(jax.value_and_grad(count, argnums=(0, 1), has_aux=True))
        arrays = jnp.asarray(w.T), jnp.asarray(d.T)
        start = time.perf_counter()
        (_, s), _ = jax.block_until_ready(run(*arrays))
        s = np.asarray(s) > 0
        ready["spatial"] = lambda: jax.block_until_ready(run(*arrays))
        first = np.where(s.any(0), s.argmax(0), -1)
        return {"first": first.tolist(), "compile_ms": 1e3 * (time.perf_counter() - start)}

    def answer(request: dict) -> dict:
        if request["do"] == "spatial":
            return spatial(request)
        if request["do"] == "time spatial":
            wall, cpu = time.perf_counter(), time.process_time()
            ready["spatial"]()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            return {"cpu": 1e3 * cpu, "wall": 1e3 * wall}
        if request["do"] == "versions":
            import spyx

            return {"jax": jax.__version__, "spyx": getattr(spyx, "__version__", "?")}
        if request["do"] == "lif":
            x, g = (jnp.asarray(np.array(request[name])) for name in ("x", "g"))
            spikes, gx = make(request["beta"], x.shape[-1])(x, g)
            return {"spikes": spikes.tolist(), "gradient": gx.tolist()}
        shape = tuple(request["shape"])
        if shape not in ready:
            rng = np.random.default_rng(0)
            x, g = (jnp.asarray(rng.random(shape, dtype=np.float32)) for _ in range(2))
            start, both = time.perf_counter(), make(request["beta"], shape[-1])
            jax.block_until_ready(both(0.3 * x, g))
            ready[shape] = (both, 0.3 * x, g, 1e3 * (time.perf_counter() - start))
        both, x, g, compile_ms = ready[shape]
        wall, cpu = time.perf_counter(), time.process_time()
        jax.block_until_ready(both(x, g))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {"cpu": 1e3 * cpu, "wall": 1e3 * wall, "compile_ms": compile_ms}

    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
