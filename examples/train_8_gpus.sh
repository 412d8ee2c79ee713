#!/usr/bin/env bash
# A training on the GPUs of one machine by torchrun, one process each; 8, or as many as GPUS says.
#
#     examples/train_8_gpus.sh settings/DAD3DHeads_COCOHead.yml --run runs/mine --batch_size 256 --optimizer.lr 4e-4
#     GPUS=4 examples/train_8_gpus.sh settings/DAD3DHeads_COCOHead.yml --run runs/mine
#
# batch_size is that of the whole run, which the processes share: the recipe means the same on any number of them. Raise it,
# and the learning rate, to give each GPU as much work as one would have had. The same command again resumes.
# The two dashes keep torchrun from taking --run for a short form of its own --run-path.
set -euo pipefail
recipe=${1:?name a recipe, such as settings/DAD3DHeads_COCOHead.yml}
exec torchrun --standalone --nproc-per-node "${GPUS:-8}" -m -- semiuhpe train --config "$recipe" \
    --device cuda --precision bf16-mixed --workers 8 "${@:2}"
