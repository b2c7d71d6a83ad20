#!/bin/bash
@DIRECTIVES@
#
# Rendered by `mko submit` for one job; every value is quoted. One task is one rank, or with torchrun one node. Before the
# time limit Slurm sends USR1 to all ranks: the run saves and ends with 75, and the job requeues itself.
# megatron_ko.operations.batch decides.
set -euo pipefail
trap : TERM # a requeue ends this script, which first has to exclude nodes

RUN=@RUN@
JOB=@JOB@
export WORKING_FOLDER=@WORKING_FOLDER@ PYTHON=@PYTHON@ START=@START@
LAUNCHER=@LAUNCHER@ RANKS_PER_NODE=@RANKS_PER_NODE@
export LAUNCHER RANKS_PER_NODE
export MKO_JOB=$JOB RANKS=$((SLURM_NNODES * RANKS_PER_NODE))
# srun no longer takes this from sbatch (Slurm 22.05 and newer)
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
export PYTHONUNBUFFERED=1 CUDA_DEVICE_MAX_CONNECTIONS=1
@VARIABLES@
@MODULES@
cd -- "$RUN"
export LOGS="logs/$SLURM_JOB_NAME-$SLURM_JOB_ID" # relative: Slurm would replace a % in an absolute path
mkdir -p -- "$LOGS/ended"
find "$LOGS/ended" -type f -delete # of an earlier start
export ENDED="$PWD/$LOGS/ended"

# Runs a module of the copied code once, on the first node.
program() {
  @ONCE@ "$PYTHON" "$START" "$@"
}

# Runs a module on every rank. A failed rank ends the others at once. After a successful rank, the others (and a failed
# node) have a minute to end. Slurm signals the shell together with its rank; the trap keeps the shell alive until the
# rank has ended and its exit code is written down: srun returns the highest code, which may be that of an ended rank.
# torchrun hides the codes of its ranks; node_launcher writes them down.
ranks() {
  local output=$1 code=0
  shift
  [[ $LAUNCHER != torchrun ]] || output=${output/rank_/node_}
  KILL=${KILL:-1} srun --kill-on-bad-exit="${KILL:-1}" --wait="${WAIT:-60}" --open-mode=append --output="$LOGS/$output" @CONTAINER@ bash -c '
    trap : USR1 USR2 TERM INT
    cd -- "$WORKING_FOLDER"
    [[ $SLURM_PROCID != 0 ]] || echo "$SLURM_STEP_ID" > "$ENDED/../step"
    code=0
    if [[ $LAUNCHER == torchrun ]]; then
      options=(--ranks "$RANKS_PER_NODE")
      if [[ $KILL == 1 ]]; then options+=(--logs); else options+=(--keep-going); fi
      @PREFIX@ "$PYTHON" "$START" megatron_ko.operations.node_launcher "${options[@]}" "$@" || code=$?
    else
      export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=$SLURM_LOCALID LOCAL_WORLD_SIZE=$RANKS_PER_NODE
      @PREFIX@ "$PYTHON" "$START" "$@" || code=$?
      ((code == 0)) || echo "$code ${SLURMD_NODENAME:-?}" > "$ENDED/$RANK"
    fi
    exit "$code"' rank "$@" || code=$?
  if [[ $LAUNCHER == torchrun ]] && ((code != 0)); then
    code=$(cat -- "$ENDED"/* 2> /dev/null | sort -n | tail -n 1 | cut -d ' ' -f 1 | grep . || echo "$code")
  fi
  return "$code"
}

finish() { # finish CODE: requeues the job if that may help
  local code=$1 excluded site=@EXCLUDE@
  # the line of a job that scancel ended, unlike those of a time limit or a requeue, gives no reason
  if grep -qs "\*\*\* JOB $SLURM_JOB_ID ON .* CANCELLED AT [^ ]* \*\*\*" "logs/$SLURM_JOB_NAME-$SLURM_JOB_ID.log"; then
    touch -- "$RUN/stop.request"
  fi
  if excluded=$(program megatron_ko.operations.batch end "$JOB" "$code"); then
    echo "exit code $code, requeueing job $SLURM_JOB_ID"
    scontrol requeue "$SLURM_JOB_ID" || exit "$code"
    if [[ -n $excluded ]]; then # only a pending job can exclude nodes; this script has seconds left
      for _ in 1 2 3 4 5; do scontrol update JobId="$SLURM_JOB_ID" ExcNodeList="$excluded${site:+,$site}" && break; sleep 1; done
    fi
    # the requeue ends this script, first with TERM, which ends only sleep; if the script ended by itself, the job could FAIL
    for _ in {1..60}; do sleep 1 || true; done
  fi
  exit "$code"
}

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# the name of a node may not resolve; use its address
MASTER_ADDR=$(scontrol show node "${nodes[0]}" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p' || true)
if [[ -z $MASTER_ADDR ]]; then
  echo "scontrol reports no NodeAddr of ${nodes[0]}; using its name, which must resolve on every node" >&2
  MASTER_ADDR=${nodes[0]}
fi
export MASTER_ADDR MASTER_PORT=0
HOSTS=$(IFS=,; echo "${nodes[*]}")
export HOSTS

code=0
MASTER_PORT=$(program megatron_ko.operations.batch begin "$JOB") || code=$? # prints a free port
((code == 0)) || exit "$code"
echo "job $SLURM_JOB_ID on $HOSTS, rendezvous at $MASTER_ADDR:$MASTER_PORT, ranks write to $RUN/$LOGS"

if [[ @PREFLIGHT@ == yes ]]; then
  RECORDS=$PWD/$LOGS/preflight-${SLURM_RESTART_COUNT:-0}
  mkdir -p -- "$RECORDS"
  # a rank that fails leaves the others alone: all are judged
  KILL=0 WAIT=0 ranks preflight.log megatron_ko.operations.machines --record "$RECORDS" "$JOB/config.yaml" || true # judged below
  if grep -qsE '^(75|138) ' "$ENDED"/*; then finish 75; fi # a stop request
  rm -f -- "$ENDED"/*
  program megatron_ko.operations.machines --judge "$RECORDS" "$JOB/config.yaml" || code=$?
  ((code == 0)) || finish "$code"
fi

# Ends the ranks if the run shows no sign of life for @HANG_S@ s: a rank that hangs keeps all others waiting.
watch() {
  local ended=0 step
  program megatron_ko.operations.batch watch "$JOB" || ended=$?
  ((ended == 3)) || return 0
  step=$SLURM_JOB_ID.$(cat -- "$LOGS/step")
  scancel --signal=USR2 "$step" || true # every rank writes its stacks to its log
  sleep 5
  scancel --signal=KILL "$step"
}
rm -f -- "$LOGS/step"
watch &
watchdog=$!
ranks rank_%5t.log megatron_ko.__main__ train "$JOB/config.yaml" || code=$?
pkill -P "$watchdog" || true
kill "$watchdog" 2> /dev/null || true
wait "$watchdog" 2> /dev/null || true
((code == 0)) || finish "$code"
program megatron_ko.operations.batch end "$JOB" 0 || true
