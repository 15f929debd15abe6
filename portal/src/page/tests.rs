//! What a page says for a card.
