#!/usr/bin/env bash
# A training on one GPU. The same command again goes on from the last checkpoint.
#
#     examples/train_1_gpu.sh settings/DAD3DHeads_COCOHead.yml --run runs/mine
#
# bf16-mixed suits GPUs from Ampere on; say --precision 16-mixed for older ones. A batch that does not fit into memory is
# cut into parts by --optimizer.accumulate 4, which changes nothing else. What is said after the recipe has the last word.
set -euo pipefail
recipe=${1:?name a recipe, such as settings/DAD3DHeads_COCOHead.yml}
exec semiuhpe train --config "$recipe" \
    --device cuda --devices 1 --nodes 1 --precision bf16-mixed --workers 8 "${@:2}"
