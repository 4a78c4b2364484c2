"""Sentences that were held out when the demo model was trained: every second one of its recipe's list."""

_TEXTS = """
Come back after the rush. | A simple problem. | Bound to happen. | Spoke English perfectly. | We know this movie.
He had in mind to see his old teacher. | The clock says noon. | Producing wheat under extensive conditions.
They said the car would break down and indeed it did. | Smoking is banned in this building. | He paid the bill last month.
An open protest. | A heart-to-heart talk. | A general state of need exists among the homeless.
The partners were delighted with the recognition of their work. | Permanent brain damage.
She is not suitable for the position. | The main body of the sound ran parallel to the coast. | She was streaming with sweat.
The regular sequence of the seasons. | Let's plant flowers in the garden. | You have brought ruin on this entire family.
Take the case of China. | A few words would answer. | The rock star was quietly led out the back door. | An inside wall.
Today is beautiful. | Burning issues of the day. | The earthquake struck at midnight. | The fine hand of a master.
He booked their seats in advance. | How dare you call my lawyer? | The dollar is low. | Quote prices for cars. | A large family.
Good night, Laura. | She thought that the voice was little. | This is the first test.
"""

HELD_OUT = tuple(sentence.strip() for line in _TEXTS.strip().splitlines() for sentence in line.split("|"))
