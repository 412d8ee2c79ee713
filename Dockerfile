# syntax=docker/dockerfile:1
# The page in the browser, or any command, with nothing but what inference needs. docs/container.md says how to run it.
#   docker build --tag semiuhpe .
#   docker build --tag semiuhpe:gpu --build-arg VARIANT=gpu .

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG VARIANT=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/semiuhpe && /opt/semiuhpe/bin/python -m pip install ".[serve]"
# onnxruntime and onnxruntime-gpu are two builds of one library: the one has to go before the other comes, which is the
# requirement of semiuhpe[gpu] (docs/deployment.md, On a GPU).
RUN if [ "$VARIANT" = gpu ]; then \
        /opt/semiuhpe/bin/python -m pip uninstall --yes onnxruntime \
        && /opt/semiuhpe/bin/python -m pip install "onnxruntime-gpu[cuda,cudnn]>=1.21"; \
    fi
RUN /opt/semiuhpe/bin/python -m pip uninstall --yes pip \
    && /opt/semiuhpe/bin/python -m compileall -q /opt/semiuhpe/lib

FROM python:${PYTHON}-slim
COPY --from=build /opt/semiuhpe /opt/semiuhpe
RUN useradd --system --uid 10001 --no-create-home semiuhpe
# onnxruntime would report to its maker.
ENV PATH=/opt/semiuhpe/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1
USER 10001
WORKDIR /work
EXPOSE 7860
# Python at process 1 ends on SIGINT, and would not hear SIGTERM.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=1s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/health', timeout=4)"]
ENTRYPOINT ["semiuhpe"]
CMD ["demo", "--host", "0.0.0.0"]
