# tokser with everything but the tools of its developers.
#
#   docker build --tag tokser .                              # torch for CPUs
#   docker build --build-arg TORCH=cuda --tag tokser:cuda .  # brings CUDA; needs only the host's driver
#   docker run --rm --volume "$PWD:/work" tokser demo --out demo
#   docker run --rm --gpus all --volume "$PWD:/work" tokser:cuda extract ...

ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ARG TORCH=cpu
ARG UV_VERSION=0.13.9
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir "uv==${UV_VERSION}" && uv venv /opt/tokser
WORKDIR /source
COPY pyproject.toml requirements.txt ./
# Versions are pinned, and hashes are checked. torch for CPUs comes from an index of its own, with
# other hashes than those of requirements.txt: its version is the same.
RUN if [ "${TORCH}" = cuda ]; then \
      cp requirements.txt pinned.txt; \
    else \
      awk '/^[a-z]/ { keep = 1 } /^(torch|torchaudio)==/ { keep = 0; print $1 } keep' requirements.txt > pinned.txt \
      && export UV_TORCH_BACKEND=cpu; \
    fi \
    && uv pip install --python /opt/tokser --constraints pinned.txt --requirement pyproject.toml --extra all \
    && uv pip install --system --constraints pinned.txt hatchling
COPY README.md LICENSE ./
COPY pipelines pipelines
COPY data_manifests data_manifests
COPY tokser tokser
RUN python -m hatchling build --target wheel --directory dist \
    && uv pip install --python /opt/tokser --no-deps dist/*.whl

FROM python:${PYTHON}-slim-bookworm
RUN useradd --create-home --uid 1000 tokser && install --directory --owner 1000 /work
COPY --from=build /opt/tokser /opt/tokser
ENV PATH=/opt/tokser/bin:$PATH
USER 1000
WORKDIR /work
ENTRYPOINT ["tokser"]
CMD ["--help"]
