# The service alone: ONNX Runtime, its model, no TensorFlow, no build tools, nothing to write.
FROM python:3.13-slim-bookworm AS build
WORKDIR /app
COPY requirements/serving.txt requirements/
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --no-compile --disable-pip-version-check \
        --require-hashes -r requirements/serving.txt \
    && find /venv -type d -name tests -prune -exec rm -rf {} +
COPY service service
# Bytecode is made here, once: a read-only root cannot keep any. It is trusted without a look at
# the sources' times, which copying from stage to stage may change.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib service

# The DICOM node alone: `docker build --target pacs`.
FROM python:3.13-slim-bookworm AS pacs
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PNEUMONIA_PACS_HOST=0.0.0.0 \
    PNEUMONIA_PACS_MONITORING_HOST=0.0.0.0
WORKDIR /app
COPY requirements/pacs.txt requirements/
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes -r requirements/pacs.txt \
    && find /venv -type d -name tests -prune -exec rm -rf {} + \
    && install -d -o 10001 -g 10001 -m 700 /var/lib/pneumonia-pacs
COPY service service
COPY LICENSE ./
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib service
USER 10001:10001
VOLUME /var/lib/pneumonia-pacs
EXPOSE 11112 8010
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PNEUMONIA_PACS_MONITORING_PORT', 8010)), timeout=2); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["pacs", "serve"]

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="pneumonia-detection" \
      org.opencontainers.image.description="Reads chest X-rays for pneumonia over REST" \
      org.opencontainers.image.licenses="MIT"
# one arena: glibc would keep the freed memory of each thread apart
ENV PATH=/venv/bin:$PATH \
    MALLOC_ARENA_MAX=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PNEUMONIA_HOST=0.0.0.0 \
    PNEUMONIA_PORT=8000
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app/service service
COPY LICENSE ./
COPY models/pneumonia.onnx models/MODEL_CARD.md models/
# a number, so that an orchestrator can see that it is not root
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PNEUMONIA_PORT']), timeout=2); c.request('GET', '/health'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve"]
