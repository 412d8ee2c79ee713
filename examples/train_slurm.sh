#!/usr/bin/env bash
#SBATCH --job-name=semiuhpe
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=10
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# A training under SLURM: one task for each GPU, here 8 of one machine. Flags of sbatch override the lines above.
#
#     sbatch examples/train_slurm.sh settings/DAD3DHeads_COCOHead.yml --run runs/mine --batch_size 256
#     sbatch --nodes=4 examples/train_slurm.sh settings/DAD3DHeads_COCOHead.yml --run runs/mine --batch_size 1024
#
# The run folder and the stores must be on a disk that all machines see. A job that is preempted and queued again, or sent
# again by hand, goes on from the last checkpoint.
set -euo pipefail
recipe=${1:?name a recipe, such as settings/DAD3DHeads_COCOHead.yml}
exec srun --kill-on-bad-exit=1 semiuhpe train --config "$recipe" --quiet \
    --device cuda --precision bf16-mixed --workers 8 "${@:2}"
