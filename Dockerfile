# docker build -t pointsman .
# docker run -p 8080:8080 -e OPENAI_API_KEY -e POINTSMAN_KEY -v "$PWD/pointsman.yaml:/etc/pointsman/pointsman.yaml:ro" pointsman
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
COPY policies policies
RUN python -m venv /opt/pointsman && /opt/pointsman/bin/pip install --no-cache-dir .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home pointsman
COPY --from=build /opt/pointsman /opt/pointsman
ENV PATH=/opt/pointsman/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8080
# Listening beyond loopback needs keys: mount a configuration with `auth.keys` and name it here.
ENTRYPOINT ["pointsman"]
CMD ["serve", "--config", "/etc/pointsman/pointsman.yaml", "--listen", "0.0.0.0:8080"]
