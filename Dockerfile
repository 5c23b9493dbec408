# The demo:  docker build --tag memrix . && docker run --rm --volume memrix-cache:/home/memrix/.cache memrix
# Any other call:  docker run --rm --volume memrix-cache:/home/memrix/.cache memrix memrix --help
FROM python:3.11-slim-bookworm

# Lists of Debian packages stay: the demo fetches its recordings from one.
RUN apt-get update

WORKDIR /opt/memrix
COPY constraints.txt ./
# torch goes first and alone, without CUDA: every later request then finds it installed.
RUN pip install --no-cache-dir --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu torch
COPY . ./
RUN pip install --no-cache-dir --constraint constraints.txt ".[asr,device]" $(ls -d ./recognizers/*/ 2>/dev/null)

RUN useradd --create-home memrix
USER memrix
WORKDIR /home/memrix
# Recordings, weights and compiled loops are kept here; a named volume keeps them between runs.
RUN mkdir .cache
ENV NUMBA_CACHE_DIR=/home/memrix/.cache/numba
VOLUME /home/memrix/.cache

CMD ["memrix", "demo"]
