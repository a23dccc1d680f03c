# The pipeline's programs and nothing of its data: the checkout is mounted on /workspace. See docs/delivery.md.
FROM python:3.11-slim-bookworm

# git for DVC; tini passes signals on and reaps what a stage leaves behind.
# Debian keeps no older version of a package, so a pinned one would end the build some day.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf /var/log/* \
 && git config --system --add safe.directory '*' \
 && python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

# What changes seldom comes first: after a change of the code only the last, small layers are built again.
WORKDIR /opt/iquitos
COPY requirements/base.lock requirements/
RUN pip install --no-cache-dir --no-deps --use-pep517 --require-hashes --requirement requirements/base.lock

# `cuda`: torch with its CUDA libraries, hashed. `cpu`: the torch of this version that pip finds, as on the host.
ARG TORCH=cuda
ARG PIP_EXTRA_INDEX_URL
COPY requirements/torch-cuda.lock requirements/numerics.yaml requirements/
RUN case "$TORCH" in \
      cuda) pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/torch-cuda.lock ;; \
      cpu) pip install --no-cache-dir --no-warn-conflicts "$(sed -n 's/^torch: "\(.*\)"$/torch==\1/p' requirements/numerics.yaml)" ;; \
      *) echo "TORCH is '$TORCH'; valid are cuda and cpu" >&2; exit 1 ;; \
    esac

COPY pyproject.toml ./
COPY src src
COPY docker/entrypoint.sh /usr/local/bin/entrypoint
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

# The sources of the mounted checkout, which are what its dvc.lock names, come before those of the image.
ENV PYTHONPATH=/workspace/src \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSIONS=unknown
LABEL org.opencontainers.image.title="iquitos-citylearn" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.revision="$REVISION" \
      iquitos.torch="$TORCH" \
      iquitos.versions="$VERSIONS"

ARG OWNER=1000:1000
USER $OWNER
WORKDIR /workspace
ENTRYPOINT ["tini", "--", "entrypoint"]
CMD ["python", "-m", "iquitos_citylearn.tools.repro"]
