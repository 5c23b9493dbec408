"""The training loop. Results do not depend on the number of processes or on interruptions."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

import memrix
from memrix.asr.recognizer_files import load_weights, save_recognizer
from memrix.asr.seeds import derive
from memrix.asr.speech_model import SpeechBatch
from memrix.asr.training import stages
from memrix.asr.training.data import Joined, SpeechData, evaluation_plan, training_plan
from memrix.asr.training.folder import RESULT, STATE, check_folder
from memrix.asr.training.news import Epoch, Report, Step, Validation, validate
from memrix.asr.training.objective import Objective
from memrix.asr.training.rates import parameter_groups, set_rates
from memrix.asr.training.settings import TrainingSettings
from memrix.asr.training.setup import prepare_training, require_devices
from memrix.asr.training.state import BestEpochs, interruptible, optimizer_state, read_state, write_state
from memrix.errors import CheckpointError, SettingsError
from memrix.toolkit import file_path

VALIDATION_SECONDS = 120.0


def train(settings: TrainingSettings, folder: str | Path, report: Report = lambda news: None) -> Path:
    """Train a recognizer, or go on with a training that was interrupted; the file of the result.

    The folder holds ``last.ckpt`` (the whole state), ``settings.json``, TensorBoard's files, and at the end
    ``model.safetensors``. Called again, it goes on where it stopped, with the same data in the same order.

    Args:
        settings: of the training.
        folder: where it is kept.
        report: called after every step and epoch, in the first process only.

    Raises:
        DataError, CheckpointError: corpus, start or folder cannot be used.
        SettingsError: this machine has not what the settings ask for.
        SettingsError: the loss is no longer a finite number.
        KeyboardInterrupt: interrupted by Ctrl-C or SIGTERM, after the state was kept.
    """
    folder = file_path(folder, CheckpointError, "the folder of a training")
    result = folder / RESULT
    if not result.is_file():
        require_devices(settings)
    check_folder(folder, settings)
    if result.is_file():
        return result
    with torch.random.fork_rng():
        return _Training(settings, folder, report).run()


class _Training:
    """One process of a training."""

    def __init__(self, settings: TrainingSettings, folder: Path, report: Report) -> None:
        self._settings = settings
        self._folder = folder
        self._fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.nodes,
            strategy="ddp" if settings.devices * settings.nodes > 1 else "auto",
            # The objective mixes precisions: Fabric's way would round the audio itself to 8 bits.
            precision="32-true",
            loggers=TensorBoardLogger(folder, name="tensorboard", version=""),
        )
        self._fabric.launch()
        self._report = report if self._fabric.is_global_zero else lambda news: None
        kept = folder / STATE
        self._setup = prepare_training(settings, resumed=kept.is_file())
        self._report(self._setup)
        self._recognizer = self._setup.recognizer
        self._data = SpeechData(self._setup.train, self._recognizer, settings.augmentation, settings.seed)
        self._dev_data = SpeechData(self._setup.dev, self._recognizer, None)
        self._dev_batches = evaluation_plan(self._setup.dev, self._recognizer, VALIDATION_SECONDS)
        self._best = BestEpochs(folder / "best", settings.average)
        self._epoch, self._batch = 0, 0
        self._loss, self._labels = 0.0, 0  # of the epoch so far
        self._history: list[dict[str, Any]] = []
        self._stage = stages.stage_of(settings, 0)
        self._begin(self._resumed(read_state(kept)) if kept.is_file() else self._new_optimizer())
        self._kept = time.monotonic()

    def _resumed(self, state: dict[str, Any]) -> torch.optim.Optimizer:
        """Where a training was interrupted; the optimizer as it was."""
        path = self._folder / STATE
        self._epoch, self._batch = state["epoch"], state["batch"]
        self._loss, self._labels = state["loss"], state["labels"]
        self._history = state["history"]
        self._enter_stage()
        load_weights(self._recognizer, state["recognizer"], str(path))
        # Its weights are those that were trained, whatever they were before.
        bits = self._recognizer.weight_bits
        stages.calibrate(self._recognizer, self._stage, self._settings, self._setup.train, bits)
        optimizer = self._new_optimizer()
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        optimizer.load_state_dict(optimizer_state(path, state["optimizer"], optimizer.state_dict(), parameters))
        return optimizer

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.RAdam(
            parameter_groups(self._recognizer, low_bit=self._recognizer.is_low_bit),
            lr=self._settings.optimizer.learning_rates[0],
            weight_decay=self._settings.optimizer.weight_decay,
            decoupled_weight_decay=True,
        )

    def _begin(self, optimizer: torch.optim.Optimizer) -> None:
        """Train what the model is now, with this optimizer."""
        settings = self._settings
        mixed = settings.precision == "bf16"
        objective = Objective(self._recognizer, self._setup.teacher, settings.distillation, mixed=mixed)
        self._model, self._optimizer = self._fabric.setup(objective, optimizer)

    def _enter_stage(self) -> bool:
        """Quantize as the present epoch asks for; whether that is another way than before."""
        stage = stages.stage_of(self._settings, self._epoch)
        if stage == self._stage or self._epoch >= self._settings.epochs:
            return False
        self._stage = stage
        stages.enter(self._recognizer, stage, self._settings)
        return True

    def run(self) -> Path:
        """All epochs that are left, and the average of the best."""
        with interruptible() as interrupted:
            while self._epoch < self._settings.epochs:
                self._run_epoch(interrupted)
            return self._finish()

    def _run_epoch(self, interrupted: list[bool]) -> None:
        began = time.monotonic()
        settings = self._settings
        if self._recognizer.is_low_bit:
            memrix.set_epoch(self._recognizer.network, self._epoch)
        plan = training_plan(
            self._setup.train,
            self._recognizer,
            settings.seconds_per_batch,
            settings.seed,
            self._epoch,
            min(settings.augmentation.speeds),
        )
        loader = DataLoader(
            self._data,
            batch_sampler=self._shares(plan[self._batch :]),
            collate_fn=SpeechBatch.of,
            num_workers=settings.workers,
        )
        self._model.train()
        for batch in loader:
            rate = settings.optimizer.rate((self._epoch + self._batch / len(plan)) / settings.epochs)
            set_rates(self._optimizer.param_groups, rate)
            total = sum(len(self._data.targets_of(names)) for names in plan[self._batch])
            # Each step draws from its own stream: no state of a generator has to be stored.
            name = f"{self._epoch}/{self._batch}/{self._fabric.global_rank}"
            torch.manual_seed(derive(settings.seed, "step", name))
            batch = batch.to(self._fabric.device)
            summed = self._model(*batch)
            if self._fabric.global_rank >= len(plan[self._batch]):
                summed = summed * 0
            # Processes average their gradients; the mean is to be over all labels of all of them.
            self._fabric.backward(summed * (self._fabric.world_size / total))
            loss = float(self._fabric.all_reduce(summed.detach(), reduce_op="sum"))
            if not math.isfinite(loss):
                first = ", ".join(names[0] for names in plan[self._batch][:5])
                raise SettingsError(
                    f"the loss of epoch {self._epoch}, batch {self._batch} is {loss}; the state before is kept in "
                    f"{self._folder}: lower the learning rates, or look at {first}"
                )
            self._fabric.clip_gradients(self._model, self._optimizer, max_norm=settings.optimizer.gradient_clip)
            self._optimizer.step()
            self._optimizer.zero_grad()
            self._fabric.log_dict({"loss": loss / total, "rate": rate}, step=self._epoch * len(plan) + self._batch)
            self._report(Step(self._epoch, settings.epochs, self._batch, len(plan), loss / total, rate))
            self._loss, self._labels, self._batch = self._loss + loss, self._labels + total, self._batch + 1
            stop = bool(self._fabric.all_reduce(torch.tensor(float(any(interrupted))), reduce_op="sum") > 0)
            if stop or time.monotonic() - self._kept > 60 * settings.checkpoint_minutes:
                self._keep()
            if stop:
                raise KeyboardInterrupt
        self._end_epoch(time.monotonic() - began)

    def _shares(self, plan: list[list[Joined]]) -> Iterator[list[tuple[int, Joined]]]:
        """What this process takes of each batch."""
        rank, processes = self._fabric.global_rank, self._fabric.world_size
        for items in plan:
            # Every process must take part in every step: where nothing is left for one, its loss counts nothing.
            yield [(self._epoch, names) for names in items[rank::processes] or items[:1]]

    def _end_epoch(self, seconds: float) -> None:
        mine = self._dev_batches[self._fabric.global_rank :: self._fabric.world_size]
        device = self._fabric.device
        found = validate(self._recognizer, (self._dev_data.batch(0, ids).to(device) for ids in mine))
        sums = torch.tensor(list(vars(found).values()), dtype=torch.float64, device=device)
        loss, *counts = self._fabric.all_reduce(sums, reduce_op="sum").tolist()
        total = Validation(loss, *map(int, counts))
        epoch = Epoch(
            self._epoch, self._loss / max(self._labels, 1), total.loss_per_target, total.error_rate, seconds
        )
        self._history.append(vars(epoch))
        self._fabric.log_dict({"dev loss": epoch.dev_loss, "dev error rate": epoch.dev_error_rate}, step=self._epoch)
        if self._fabric.is_global_zero:
            self._best.update(self._epoch, self._recognizer, self._errors())
        self._epoch, self._batch, self._loss, self._labels = self._epoch + 1, 0, 0.0, 0
        before = self._recognizer.weight_bits
        if self._enter_stage():
            stages.calibrate(self._recognizer, self._stage, self._settings, self._setup.train, before)
            self._recognizer.train()
            self._begin(self._new_optimizer())
        self._keep()
        self._report(epoch)

    def _finish(self) -> Path:
        result = self._folder / RESULT
        if self._fabric.is_global_zero:
            errors = self._errors()
            load_weights(self._recognizer, self._best.average(errors), str(self._folder))
            training = {
                "settings": self._settings.model_dump(mode="json"),
                "epochs": self._history,
                "averaged": self._best.epochs(errors),
            }
            save_recognizer(result, self._recognizer, training)
        self._fabric.barrier()
        return result

    def _errors(self) -> list[float]:
        """Error rate of each epoch so far; infinite where its weights cannot be the result."""
        settings = self._settings
        return [
            item["dev_error_rate"] if stages.stage_of(settings, item["epoch"]).is_last else math.inf
            for item in self._history
        ]

    def _keep(self) -> None:
        if self._fabric.is_global_zero:
            write_state(
                self._folder / STATE,
                {
                    "recognizer": self._recognizer.state_dict(),
                    "optimizer": self._optimizer.state_dict(),
                    "epoch": self._epoch,
                    "batch": self._batch,
                    "loss": self._loss,
                    "labels": self._labels,
                    "history": self._history,
                },
            )
        self._kept = time.monotonic()
