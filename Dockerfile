# docker build -t nginxtls .
# docker run --rm --network none -v "$PWD:/work:ro" nginxtls check .
FROM python:3.13-slim AS build
COPY . /source
RUN python -m venv /opt/nginxtls && /opt/nginxtls/bin/pip install --no-cache-dir /source \
    && /opt/nginxtls/bin/pip uninstall -y pip

FROM python:3.13-slim
COPY --from=build /opt/nginxtls /opt/nginxtls
ENV PATH=/opt/nginxtls/bin:$PATH PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --no-create-home --uid 10001 nginxtls
USER 10001
WORKDIR /work
ENTRYPOINT ["nginxtls"]
CMD ["check", "."]
