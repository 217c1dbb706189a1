-- Is the average of this score of the call high enough?
calls.row_id IN (
        SELECT row_id FROM scored_calls WHERE score_name = {name} GROUP BY row_id HAVING avg(score_value) >= {least}
    )
