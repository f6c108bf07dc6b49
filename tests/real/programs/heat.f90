! Heat spreading over a plate, and formatted output of it.
program heat
  implicit none
  integer, parameter :: n = 300
  real(8), allocatable :: now(:,:), next(:,:)
  integer :: steps, step, i, j
  character(20) :: argument
  call get_command_argument(1, argument)
  read (argument, *) steps
  allocate(now(n, n), next(n, n))
  now = 0.0d0
  now(1, :) = 100.0d0
  now(:, n) = 50.0d0
  next = now
  do step = 1, steps
    do j = 2, n - 1
      do i = 2, n - 1
        next(i, j) = 0.25d0 * (now(i-1, j) + now(i+1, j) + now(i, j-1) + now(i, j+1))
      end do
    end do
    now = next
    if (mod(step, 1000) == 0) print '(i6, 3f20.12)', step, sum(now) / (n * n), now(10, 10), maxval(now(2:n-1, 2:n-1))
  end do
end program heat
