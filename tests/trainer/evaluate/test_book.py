from trainer.evaluate.book import ask_book_questions
from trainer.evaluate.report import Report


def test_answers_and_missing_words(royal):
    answers = {
        answer.question: answer for answer in ask_book_questions(royal(car=[2, 0, 0], truck=[2, 0.1, 0]))
    }
    assert len(answers) == 8
    assert answers["car"].neighbours[0].word == "truck"
    assert answers["you"].missing == ["you"]
    assert answers["take : took = go : ?"].missing == ["take", "took", "go"]
    royals = answers["king : man = queen : ?"]
    assert royals.neighbours[0].word == "woman"
    assert not {"king", "man", "queen"} & {each.word for each in royals.neighbours}


def test_a_vector_of_zeros_has_no_answer(make_embedding):
    answers = ask_book_questions(make_embedding({"car": [0, 0], "year": [1, 0], "you": [0.5, 1]}))
    by_question = {answer.question: answer for answer in answers}
    assert by_question["car"].neighbours == []
    assert by_question["year"].neighbours[0].word == "you"
    report = Report("made", "up", "embedding", book=answers)
    assert "not in the vocabulary: toyota" in report.to_text()
    assert "no answer" in report.to_text()
