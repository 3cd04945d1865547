# One image for every process; docker-compose.yml says which command each container runs.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN useradd --create-home --uid 10001 desk && mkdir /data && chown desk /data
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
ENV DATA_DIR=/data LOG_DIR=/data/logs LOG_RETENTION_DAYS=90 PYTHONPATH=/app
USER desk
VOLUME /data
CMD ["python", "-m", "uvicorn", "optionsplatform.asgi:application", "--host", "0.0.0.0", "--port", "8000"]
