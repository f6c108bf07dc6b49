-- Solutions of the queens problem, through coroutines and tables.
local function queens(n)
  return coroutine.wrap(function()
    local rows, up, down, board = {}, {}, {}, {}
    local function place(column)
      if column > n then coroutine.yield(table.concat(board, " ")) return end
      for row = 1, n do
        if not (rows[row] or up[column + row] or down[column - row]) then
          rows[row], up[column + row], down[column - row] = true, true, true
          board[column] = row
          place(column + 1)
          rows[row], up[column + row], down[column - row] = nil, nil, nil
        end
      end
    end
    place(1)
  end)
end

for round = 1, tonumber(arg[1]) do for n = 4, 12 do
  local count, last = 0, nil
  for solution in queens(n) do
    count, last = count + 1, solution
  end
  print(round, n, count, last)
end end
