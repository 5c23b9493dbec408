import threading

import torch

from memrix.threads import side_by_side

CPU = torch.device("cpu")


def with_threads(count, pieces):
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(count)
    try:
        side_by_side(
            lambda piece: seen.append((piece, threading.get_ident(), torch.get_num_threads())), pieces, device=CPU
        )
        assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    return seen


def test_every_piece_runs_once_on_one_thread_of_torch_each():
    """Pieces that each used all threads would stall one another, and split their sums elsewhere."""
    seen = with_threads(2, range(20))
    assert sorted(piece for piece, _, _ in seen) == list(range(20))
    assert {threads for _, _, threads in seen} == {1}
    assert threading.get_ident() not in {thread for _, thread, _ in seen}


def test_with_one_thread_pieces_run_in_order_where_they_were_asked_for():
    seen = with_threads(1, range(5))
    assert [piece for piece, _, _ in seen] == list(range(5))
    assert {thread for _, thread, _ in seen} == {threading.get_ident()}


def test_pieces_see_the_modes_of_the_caller():
    modes = []
    with torch.inference_mode():
        side_by_side(lambda piece: modes.append(torch.is_inference_mode_enabled()), range(4), device=CPU)
    with torch.no_grad():
        side_by_side(lambda piece: modes.append(not torch.is_grad_enabled()), range(4), device=CPU)
    assert modes == [True] * 8
